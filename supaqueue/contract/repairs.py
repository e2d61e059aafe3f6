"""Bringing what one system lost of jobs, and what was brought."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from supaqueue.contract.call import CONTRACT_VERSION, Call, expect_answers
from supaqueue.contract.json_value import Json
from supaqueue.contract.moment import check_span, check_time
from supaqueue.contract.new_job import NewJob
from supaqueue.contract.record_outcomes import LegacyOutcome
from supaqueue.contract.reply_type import ReplyType
from supaqueue.errors import InvalidInput

RepairedClass = Literal["missing_in_supabase", "missing_in_legacy"]


@dataclass(frozen=True, slots=True)
class RepairAnswer:
    """What became of one repair.

    Of a mirror: `repaired`, now or before; `exists`: it came by itself meanwhile; `conflict`: the id stands
    for other content, or was abandoned. Of a copy: `repaired`, so that a relay brings it; `due`: a relay
    still has to bring it; `not_needed`: its type's cutover is over; `kept`: legacy owns it or gave it away;
    `unknown`.
    """

    job_id: str
    answer: Literal["repaired", "exists", "conflict", "due", "not_needed", "kept", "unknown"]


_ANSWERS = ReplyType(tuple[RepairAnswer, ...])


@dataclass(frozen=True, slots=True)
class RepairMirrors(Call[tuple[RepairAnswer, ...]]):
    """Store mirrors that Supabase has lost, of jobs that legacy owns, each with its end if it has one.

    That they were missing is kept. All or none; one answer for each, in order.

    Args:
        accepted_at: when legacy accepted each, in the order of `jobs`.
        outcomes: of those that have ended.

    Raises:
        InvalidInput: there are not as many times as jobs, or one is naive.
    """

    function: ClassVar[str] = "repair_mirrors_v1"
    mutates: ClassVar[bool] = True

    jobs: tuple[NewJob, ...]
    accepted_at: tuple[datetime, ...]
    outcomes: tuple[LegacyOutcome, ...] = ()
    repaired_by: str | None = None

    def __post_init__(self) -> None:
        if len(self.accepted_at) != len(self.jobs):
            raise InvalidInput("must have a time for each job", field="accepted_at")
        for place, moment in enumerate(self.accepted_at):
            check_time(moment, field=f"accepted_at[{place}]")

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "jobs": [job.row() | {"owner": "legacy"} for job in self.jobs],
            "accepted_at": [moment.isoformat() for moment in self.accepted_at],
            "outcomes": [outcome.row() for outcome in self.outcomes],
            "repaired_by": self.repaired_by,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> tuple[RepairAnswer, ...]:
        """Read the answer; raises ValueError if it is none."""
        return _answers(body, len(self.jobs))

    def concerns(self) -> tuple[str, ...]:
        """Return the ids of the jobs."""
        return tuple(job.job_id for job in self.jobs)


@dataclass(frozen=True, slots=True)
class RepairCopies(Call[tuple[RepairAnswer, ...]]):
    """Have a relay tell legacy again of jobs that Supabase owns and legacy has lost; that they were is kept.

    Args:
        seen_at: a time of the database's, from before legacy was asked for them: what was repaired since then
            is not repaired again.
        dry_run: only say what would be done.

    Raises:
        InvalidInput: `seen_at` is naive.
    """

    function: ClassVar[str] = "repair_copies_v1"
    mutates: ClassVar[bool] = True

    job_ids: tuple[str, ...]
    seen_at: datetime
    dry_run: bool = False
    repaired_by: str | None = None

    def __post_init__(self) -> None:
        check_time(self.seen_at, field="seen_at")

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "job_ids": list(self.job_ids),
            "seen_at": self.seen_at.isoformat(),
            "dry_run": self.dry_run,
            "repaired_by": self.repaired_by,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> tuple[RepairAnswer, ...]:
        """Read the answer; raises ValueError if it is none."""
        return _answers(body, len(self.job_ids))

    def concerns(self) -> tuple[str, ...]:
        """Return the ids of the jobs."""
        return self.job_ids


@dataclass(frozen=True, slots=True)
class KeptRepair:
    """A job that was missing in one system, and was brought there; `repaired_at`: for the last time."""

    job_id: str
    task_type: str
    class_name: RepairedClass
    accepted_at: datetime
    repaired_at: datetime
    repaired_by: str | None


@dataclass(frozen=True, slots=True)
class RepairPage:
    """Repairs, by the time at which the job's owner accepted it, and the cursor of the next page."""

    repairs: tuple[KeptRepair, ...]
    next_page: str | None


_PAGE = ReplyType(RepairPage)


@dataclass(frozen=True, slots=True)
class ListRepairs(Call[RepairPage]):
    """List what was repaired of jobs that their owner accepted in [since, until), by page.

    Raises:
        InvalidInput: a time is naive, or `since` is the later one.
    """

    function: ClassVar[str] = "list_repairs_v1"
    mutates: ClassVar[bool] = False

    since: datetime
    until: datetime
    page: str | None = None
    page_size: int = 5_000

    def __post_init__(self) -> None:
        check_span(self.since, self.until)

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "page": self.page,
            "page_size": self.page_size,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> RepairPage:
        """Read the answer; raises ValueError if it is none."""
        return _PAGE.validate_python(body)


def _answers(body: Json, expected: int) -> tuple[RepairAnswer, ...]:
    answers = _ANSWERS.validate_python(body)
    expect_answers(expected, len(answers))
    return answers
