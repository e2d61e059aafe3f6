"""Claiming: leasing tasks to a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import SkipValidation

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType
from supaqueue.contract.task import ClaimedTask, TaskRef


@dataclass(frozen=True, slots=True)
class RescuedToFail:
    """A task that a claim failed: its worker died and its attempts were spent, or its deadline had passed."""

    job_id: str
    task_number: int
    queue: str
    task_type: str
    attempt: int
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim came to.

    Attributes:
        tasks: those leased, oldest first.
        marks: to be given to the next claim as they are.
        more: whether another claim at once is likely to find something.
        wait_seconds: until the next task is due, if one is and nothing more is ready.
        alone: the task lost two leases; claim nothing until it has ended, so that it takes no other with it.
        drain: such a task waits for this worker: claim nothing until all that it holds has ended.
        failed: tasks that the claim found with a dead worker or past their deadline, and failed.
        paused: queues of which nothing is leased for now: what of them has not started is to go back.
        closed: task types that the flag of a cutover holds back; likewise.
    """

    tasks: tuple[ClaimedTask, ...]
    marks: SkipValidation[dict[str, Json]]
    more: bool
    wait_seconds: float | None
    alone: bool = False
    drain: bool = False
    failed: tuple[RescuedToFail, ...] = ()
    paused: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()


_REPLY = ReplyType(Claimed)


@dataclass(frozen=True, slots=True)
class ClaimJobTasks(Call[Claimed]):
    """Lease up to `want` tasks for `lease_seconds`; a repeat of `request_id` answers those still held.

    `holding` is how many tasks the worker holds already; `started` reports those of them whose handlers have
    begun since the last call. `weights` say how the queues share what is claimed: 1 for one not named.
    """

    function: ClassVar[str] = "claim_job_tasks_v1"
    mutates: ClassVar[bool] = True

    request_id: str
    worker_id: str
    queues: tuple[str, ...]
    task_types: tuple[str, ...]
    want: int
    holding: int
    lease_seconds: float
    marks: Mapping[str, Json]
    started: tuple[TaskRef, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "request_id": self.request_id,
            "worker_id": self.worker_id,
            "queues": list(self.queues),
            "task_types": list(self.task_types),
            "want": self.want,
            "holding": self.holding,
            "lease_seconds": self.lease_seconds,
            "marks": dict(self.marks),
            "started": [ref.row() for ref in self.started],
            "contract_version": CONTRACT_VERSION,
            "weights": dict(self.weights) or None,
        }

    def parse(self, body: Json) -> Claimed:
        """Read the answer; raises ValueError if it is none."""
        return _REPLY.validate_python(body)
