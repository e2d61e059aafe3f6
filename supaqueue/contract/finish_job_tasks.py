"""Finishing: reporting what handlers came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from supaqueue.contract.call import CONTRACT_VERSION, Call, expect_answers
from supaqueue.contract.json_value import Json, storable_text, without_none
from supaqueue.contract.reply_type import ReplyType
from supaqueue.contract.task import Progress, TaskRef

FinishOutcome = Literal["done", "retry", "snooze", "cancel", "fail", "park", "not_started"]
Recorded = Literal["recorded", "lost", "unknown"]


@dataclass(frozen=True, slots=True)
class TaskError:
    """What ended an attempt: the error's type and its text, of which Postgres gets what it can hold."""

    type: str
    message: str

    def row(self) -> dict[str, Json]:
        """Return it as SQL takes it."""
        return {"type": storable_text(self.type), "message": storable_text(self.message)}


@dataclass(frozen=True, slots=True)
class FinishedTask:
    """How one lease of a task ends.

    `after_seconds` delays a retry or a snooze (None: the task's own retry delay); `ran_seconds` is how long
    the handler ran, for a start that was not reported before. `result` counts with `done` only. `progress` is
    the latest, unless it was reported before.
    """

    ref: TaskRef
    outcome: FinishOutcome
    result: Json = field(default=None, repr=False)
    error: TaskError | None = None
    after_seconds: float | None = None
    ran_seconds: float | None = None
    progress: Progress | None = None

    def row(self) -> dict[str, Json]:
        """Return it as SQL takes it."""
        ending: dict[str, Json] = {
            "outcome": self.outcome,
            "result": self.result,
            "error": self.error.row() if self.error else None,
            "after_seconds": self.after_seconds,
            "ran_seconds": self.ran_seconds,
            "progress": self.progress.row() if self.progress else None,
        }
        return self.ref.row() | without_none(ending)


@dataclass(frozen=True, slots=True)
class FinishAnswer:
    """`recorded` (`status` is what the task became), `lost` (it changed nothing), `unknown` (no such task).

    `retry_in_seconds` is set where another attempt follows.
    """

    ref: TaskRef
    answer: Recorded
    status: str | None
    retry_in_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class _Row(TaskRef):
    answer: Recorded
    status: str | None
    retry_in_seconds: float | None = None


_REPLY = ReplyType(list[_Row])


@dataclass(frozen=True, slots=True)
class FinishJobTasks(Call[tuple[FinishAnswer, ...]]):
    """Report the ends of leases; SQL alone decides the next state. One answer for each, in order."""

    function: ClassVar[str] = "finish_job_tasks_v1"
    mutates: ClassVar[bool] = True

    worker_id: str
    tasks: tuple[FinishedTask, ...]

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "worker_id": self.worker_id,
            "tasks": [task.row() for task in self.tasks],
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> tuple[FinishAnswer, ...]:
        """Read the answer; raises ValueError if it is none."""
        rows = _REPLY.validate_python(body)
        expect_answers(len(self.tasks), len(rows))
        return tuple(
            FinishAnswer(
                TaskRef(row.job_id, row.task_number, row.lease_token),
                row.answer,
                row.status,
                row.retry_in_seconds,
            )
            for row in rows
        )

    def concerns(self) -> tuple[str, ...]:
        """Return the ids of the jobs whose tasks end."""
        return tuple(task.ref.job_id for task in self.tasks)
