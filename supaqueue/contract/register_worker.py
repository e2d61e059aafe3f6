"""Registering: what a worker serves, idle or not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType


@dataclass(frozen=True, slots=True)
class _Registered:
    worker_id: str


_REPLY = ReplyType(_Registered)


@dataclass(frozen=True, slots=True)
class CallTotals:
    """Calls that one run of a worker sent, and those that got no usable answer: totals, which only grow.

    Attributes:
        run_id: a UUID of the run.
    """

    run_id: str
    claims_sent: int = 0
    claims_failed: int = 0
    finishes_sent: int = 0
    finishes_failed: int = 0


@dataclass(frozen=True, slots=True)
class RegisterWorker(Call[None]):
    """Say what a worker serves and that it is alive, or that it has `stopped`.

    Attributes:
        calls: None says nothing of them; a database before migration 028 refuses anything else.
    """

    function: ClassVar[str] = "register_worker_v1"
    mutates: ClassVar[bool] = True

    worker_id: str
    queues: tuple[str, ...]
    task_types: tuple[str, ...]
    concurrency: int
    host: str
    process_id: int
    version: str
    stopped: bool = False
    calls: CallTotals | None = None

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        worker: dict[str, Json] = {
            "worker_id": self.worker_id,
            "queues": list(self.queues),
            "task_types": list(self.task_types),
            "concurrency": self.concurrency,
            "host": self.host,
            "process_id": self.process_id,
            "version": self.version,
            "stopped": self.stopped,
        }
        if self.calls is not None:
            worker |= asdict(self.calls)
        return {"worker": worker, "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> None:
        """Read the answer; raises ValueError if it is none."""
        _REPLY.validate_python(body)
