"""Heartbeats: renewing leases, and hearing what to stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from supaqueue.contract.call import CONTRACT_VERSION, Call, expect_answers
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType
from supaqueue.contract.task import Progress, TaskRef

Held = Literal["held", "cancel", "lost"]


@dataclass(frozen=True, slots=True)
class HeartbeatAnswer:
    """`held`; `cancel`: held, and its job is to be cancelled; `lost`: another may have it, change nothing."""

    ref: TaskRef
    answer: Held


@dataclass(frozen=True, slots=True)
class _Row(TaskRef):
    answer: Held


@dataclass(frozen=True, slots=True)
class _Body:
    tasks: list[_Row]


_REPLY = ReplyType(_Body)


@dataclass(frozen=True, slots=True)
class HeartbeatJobTasks(Call[tuple[HeartbeatAnswer, ...]]):
    """Renew the leases of `tasks` for `lease_seconds`, and report the handlers `started` since.

    Answers one row for each of `tasks`, in order. Without tasks it says that the worker is alive. `progress`
    has reports of some of `tasks`.
    """

    function: ClassVar[str] = "heartbeat_job_tasks_v1"
    mutates: ClassVar[bool] = True

    worker_id: str
    tasks: tuple[TaskRef, ...]
    started: tuple[TaskRef, ...]
    lease_seconds: float
    progress: Mapping[TaskRef, Progress] = field(default_factory=dict)

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "worker_id": self.worker_id,
            "tasks": [self._row(ref) for ref in self.tasks],
            "started": [ref.row() for ref in self.started],
            "lease_seconds": self.lease_seconds,
            "contract_version": CONTRACT_VERSION,
        }

    def _row(self, ref: TaskRef) -> dict[str, Json]:
        progress = self.progress.get(ref)
        return ref.row() if progress is None else ref.row() | {"progress": progress.row()}

    def parse(self, body: Json) -> tuple[HeartbeatAnswer, ...]:
        """Read the answer; raises ValueError if it is none."""
        rows = _REPLY.validate_python(body).tasks
        expect_answers(len(self.tasks), len(rows))
        return tuple(
            HeartbeatAnswer(TaskRef(row.job_id, row.task_number, row.lease_token), row.answer) for row in rows
        )

    def concerns(self) -> tuple[str, ...]:
        """Return the ids of the jobs whose leases are renewed."""
        return tuple(ref.job_id for ref in self.tasks)
