"""Listing jobs, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, get_args

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json, check_text, without_none
from supaqueue.contract.moment import check_time
from supaqueue.contract.reply_type import ReplyType
from supaqueue.errors import InvalidInput
from supaqueue.job import Job, JobStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs to list; what is None does not narrow. Times are aware; `created_before` is exclusive.

    Raises:
        InvalidInput: naming the field.
    """

    queue: str | None = None
    task_type: str | None = None
    status: JobStatus | None = None
    tag: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("queue", "task_type", "tag"):
            if getattr(self, name) is not None:
                check_text(getattr(self, name), field=name)
        if self.status is not None and self.status not in get_args(JobStatus):
            raise InvalidInput(f"must be one of {', '.join(get_args(JobStatus))}", field="status")
        for name in ("created_after", "created_before"):
            check_time(getattr(self, name), field=name)

    def row(self) -> dict[str, Json]:
        """Return it as SQL takes it."""
        return without_none(
            {
                "queue": self.queue,
                "task_type": self.task_type,
                "status": self.status,
                "tag": self.tag,
                "created_after": self.created_after.isoformat() if self.created_after else None,
                "created_before": self.created_before.isoformat() if self.created_before else None,
            }
        )


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs, newest first, without payloads; `next_page` asks for those after them, None at the end."""

    jobs: tuple[Job, ...]
    next_page: str | None


_REPLY = ReplyType(JobPage)


@dataclass(frozen=True, slots=True)
class ListJobs(Call[JobPage]):
    """List up to `page_size` (1 to 1000) jobs that pass the filter, from `page` on."""

    function: ClassVar[str] = "list_jobs_v1"
    mutates: ClassVar[bool] = False

    filter: JobFilter
    page: str | None = None
    page_size: int = 200

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "filter": self.filter.row(),
            "page": self.page,
            "page_size": self.page_size,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> JobPage:
        """Read the answer; raises ValueError if it is none."""
        return _REPLY.validate_python(body)
