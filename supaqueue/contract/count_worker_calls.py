"""How many of the workers' own calls fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType


@dataclass(frozen=True, slots=True)
class WorkerCallCounts:
    """Calls of all workers in the last ten minutes; failed: no usable answer, whatever was tried again.

    Attributes:
        seconds: for how long without a break more than a fifth of the claims, or of the finishes, have
            failed; 0.0 if they do not.
    """

    claims_sent: int
    claims_failed: int
    finishes_sent: int
    finishes_failed: int
    seconds: float


_REPLY = ReplyType(WorkerCallCounts)


@dataclass(frozen=True, slots=True)
class CountWorkerCalls(Call[WorkerCallCounts]):
    """Count the calls that workers told of."""

    function: ClassVar[str] = "count_worker_calls_v1"
    mutates: ClassVar[bool] = False

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {"contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> WorkerCallCounts:
        """Read the answer; raises ValueError if it is none."""
        return _REPLY.validate_python(body)
