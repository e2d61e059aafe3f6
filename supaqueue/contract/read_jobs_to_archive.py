"""Reading ended jobs as the lines that an archive keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType
from supaqueue.contract.retention_policy import RetentionPolicy


@dataclass(frozen=True, slots=True)
class JobToArchive:
    """One job of an archive.

    `line` is the JSON text to write, just as it is; `day` the UTC day on which the job ended; `kind` the age
    that lets it go: completed, failed, cancelled, tombstone or probe.
    """

    job_id: str
    kind: str
    day: date
    line: str


@dataclass(frozen=True, slots=True)
class JobsToArchive:
    """Jobs, oldest first; `next_page` is where to go on, None at the end."""

    jobs: tuple[JobToArchive, ...]
    looked_at: int
    next_page: str | None


_REPLY = ReplyType(JobsToArchive)


@dataclass(frozen=True, slots=True)
class ReadJobsToArchive(Call[JobsToArchive]):
    """Read up to `max_jobs` (1 to 10,000) jobs that the policy lets go; fewer where they come to 4 MiB."""

    function: ClassVar[str] = "read_jobs_to_archive_v1"
    mutates: ClassVar[bool] = False

    policy: RetentionPolicy
    page: str | None = None
    max_jobs: int = 1000

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "policy": self.policy.row(),
            "page": self.page,
            "max_jobs": self.max_jobs,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> JobsToArchive:
        """Read the answer; raises ValueError if it is none."""
        return _REPLY.validate_python(body)
