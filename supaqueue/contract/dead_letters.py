"""Dead letters: listing failed tasks, letting them run again, forgetting them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, TypedDict

from supaqueue.answer import DropAnswer, ReplayAnswer
from supaqueue.contract.call import CONTRACT_VERSION, Call, expect_answers
from supaqueue.contract.json_value import Json, check_text, without_none
from supaqueue.contract.moment import check_time
from supaqueue.contract.reply_type import ReplyType
from supaqueue.contract.task import TaskRef
from supaqueue.job import DeadLetter
from supaqueue.job_id import check_job_id


class DeadLetterOptions(TypedDict, total=False):
    """The arguments of `DeadLetterFilter`, for whoever passes them on."""

    job_id: str | None
    queue: str | None
    task_type: str | None
    error_type: str | None
    parked: bool | None
    failed_after: datetime | None
    failed_before: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """Which dead letters; what is None does not narrow. Times are aware; `failed_before` is exclusive.

    Raises:
        InvalidInput: naming the field.
    """

    job_id: str | None = None
    queue: str | None = None
    task_type: str | None = None
    error_type: str | None = None
    parked: bool | None = None
    failed_after: datetime | None = None
    failed_before: datetime | None = None

    def __post_init__(self) -> None:
        if self.job_id is not None:
            check_job_id(self.job_id)
        for name in ("queue", "task_type", "error_type"):
            if getattr(self, name) is not None:
                check_text(getattr(self, name), field=name)
        for name in ("failed_after", "failed_before"):
            check_time(getattr(self, name), field=name)

    def row(self) -> dict[str, Json]:
        """Return it as SQL takes it."""
        return without_none(
            {
                "job_id": self.job_id,
                "queue": self.queue,
                "task_type": self.task_type,
                "error_type": self.error_type,
                "parked": self.parked,
                "failed_after": self.failed_after.isoformat() if self.failed_after else None,
                "failed_before": self.failed_before.isoformat() if self.failed_before else None,
            }
        )


@dataclass(frozen=True, slots=True)
class DeadLetterPage:
    """Dead letters, the latest first; `next_page` asks for those after them, None at the end."""

    dead_letters: tuple[DeadLetter, ...]
    next_page: str | None


_PAGE = ReplyType(DeadLetterPage)
_REPLAYED = ReplyType(tuple[ReplayAnswer, ...])
_DROPPED = ReplyType(tuple[DropAnswer, ...])


@dataclass(frozen=True, slots=True)
class ListDeadLetters(Call[DeadLetterPage]):
    """List up to `page_size` (1 to 1000) failed tasks that pass the filter, from `page` on."""

    function: ClassVar[str] = "list_dead_letters_v1"
    mutates: ClassVar[bool] = False

    filter: DeadLetterFilter
    page: str | None = None
    page_size: int = 500

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "filter": self.filter.row(),
            "page": self.page,
            "page_size": self.page_size,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> DeadLetterPage:
        """Read the answer; raises ValueError if it is none."""
        return _PAGE.validate_python(body)


@dataclass(frozen=True, slots=True)
class Replay:
    """A dead letter that is to run again, after `delay_seconds`."""

    ref: TaskRef
    delay_seconds: float = 0.0

    def row(self) -> dict[str, Json]:
        """Return it as SQL takes it."""
        return self.ref.row() | {"delay_seconds": self.delay_seconds}


@dataclass(frozen=True, slots=True)
class ReplayJobTasks(Call[tuple[ReplayAnswer, ...]]):
    """Let dead letters run again, up to 10,000; one answer for each, in order."""

    function: ClassVar[str] = "replay_job_tasks_v1"
    mutates: ClassVar[bool] = True

    tasks: tuple[Replay, ...]

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {"tasks": [task.row() for task in self.tasks], "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> tuple[ReplayAnswer, ...]:
        """Read the answer; raises ValueError if it is none."""
        answers = _REPLAYED.validate_python(body)
        expect_answers(len(self.tasks), len(answers))
        return answers

    def concerns(self) -> tuple[str, ...]:
        """Return the ids of the jobs that run again."""
        return tuple(task.ref.job_id for task in self.tasks)


@dataclass(frozen=True, slots=True)
class DropDeadLetters(Call[tuple[DropAnswer, ...]]):
    """Forget dead letters for good, with the job that each is of; one answer for each, in order."""

    function: ClassVar[str] = "drop_dead_letters_v1"
    mutates: ClassVar[bool] = True

    tasks: tuple[TaskRef, ...]

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {"tasks": [ref.row() for ref in self.tasks], "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> tuple[DropAnswer, ...]:
        """Read the answer; raises ValueError if it is none."""
        answers = _DROPPED.validate_python(body)
        expect_answers(len(self.tasks), len(answers))
        return answers

    def concerns(self) -> tuple[str, ...]:
        """Return the ids of the jobs that are dropped."""
        return tuple(ref.job_id for ref in self.tasks)
