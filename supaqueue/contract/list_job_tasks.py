"""Listing the tasks of one job, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import TypeAdapter

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json
from supaqueue.job import Task


@dataclass(frozen=True, slots=True)
class JobTaskPage:
    """Tasks in the order of their numbers; `next_after` asks for those behind them, None at the end.

    `found`: whether there is such a job.
    """

    tasks: tuple[Task, ...]
    next_after: int | None
    found: bool = True

    @property
    def next_page(self) -> str | None:
        """Where to go on, as text, as other lists have it."""
        return None if self.next_after is None else str(self.next_after)


_REPLY = TypeAdapter(JobTaskPage)


@dataclass(frozen=True, slots=True)
class ListJobTasks(Call[JobTaskPage]):
    """List up to `page_size` (1 to 1000) tasks of a job, those with a number above `after`, without payloads.

    A page ends after 4 MiB of results.
    """

    function: ClassVar[str] = "list_job_tasks_v1"
    mutates: ClassVar[bool] = False

    job_id: str
    after: int = -1
    page_size: int = 200

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "job_id": self.job_id,
            "after_number": self.after,
            "page_size": self.page_size,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> JobTaskPage:
        """Read the answer; raises ValueError if it is none."""
        return JobTaskPage((), None, found=False) if body is None else _REPLY.validate_python(body)

    def concerns(self) -> tuple[str, ...]:
        """Return the job's id."""
        return (self.job_id,)
