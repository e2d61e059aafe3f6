"""What a gate rests on, counted by the database: cohorts of jobs, how long they took, what waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json
from supaqueue.contract.moment import check_span, check_time
from supaqueue.contract.reply_type import ReplyType

COHORT_COLUMNS = ("minute", "task_type", "first_canary", "first_control", "final_canary", "final_control")
LARGEST_COHORT_PAGE = 5_000

SideCounts = tuple[int, int, int, int, int]
"""Jobs, distinct keys, how many had come to what is counted, how many of those had failed, their keys."""
CohortRow = tuple[int, str, SideCounts, SideCounts, SideCounts | None, SideCounts | None]
"""In the order of `COHORT_COLUMNS`; the minute is counted from 1970. Final ones are None until counted."""


@dataclass(frozen=True, slots=True)
class ClosedCohorts:
    """Up to which minute first attempts are counted; and whether more was to be counted by then."""

    counted_until: datetime
    more: bool


@dataclass(frozen=True, slots=True)
class CohortPage:
    """Cohorts, oldest first."""

    rows: tuple[CohortRow, ...]
    next_page: str | None
    columns: tuple[str, ...] = COHORT_COLUMNS


@dataclass(frozen=True, slots=True)
class BinnedLatencies:
    """Bin and jobs, by owner; see `supaqueue.cutover.gate.evidence`."""

    canary: tuple[tuple[int, int], ...]
    control: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class TypeBacklog:
    """What waited of one type at a moment.

    Attributes:
        is_open: whether the flag lets claims have it.
        unfinished: Supabase's jobs that could run, or did; `oldest_seconds`: for how long the oldest one of
            those that waited had been due.
        canary_arrivals, control_arrivals: jobs stored since the sample before, by owner.
        control_oldest_seconds: for how long the oldest one of legacy's had been due and not ended, but for
            one percent.
    """

    is_open: bool
    unfinished: int
    oldest_seconds: float
    canary_arrivals: int
    control_arrivals: int
    control_oldest_seconds: float


@dataclass(frozen=True, slots=True)
class BacklogSample:
    """What waited at a moment of a minute, which is counted from 1970; a type left out had nothing."""

    minute: int
    sampled_at: float
    types: dict[str, TypeBacklog]


@dataclass(frozen=True, slots=True)
class CohortTotals:
    """What is told of a time as a whole. Times are seconds since 1970; `counted_until` is None before all."""

    observed_at: float
    counted_until: float | None
    latencies: dict[str, BinnedLatencies]
    backlogs: tuple[BacklogSample, ...]


_CLOSED = ReplyType(ClosedCohorts)
_PAGE = ReplyType(CohortPage)
_TOTALS = ReplyType(CohortTotals)


@dataclass(frozen=True, slots=True)
class CloseCohorts(Call[ClosedCohorts]):
    """Count, for about a second, what is due to be counted; and once in a minute what waits.

    Each cohort is counted once and for good, whoever calls; several callers take turns.

    Args:
        since: what was stored before is not counted any more. The beginning of the running step.
        first_seconds: after so many a minute's first attempts are counted.
        settle_seconds: after so many its final outcomes are; `settle_by_type`: for types that take longer.

    Raises:
        InvalidInput: `since` is naive.
    """

    function: ClassVar[str] = "close_cohorts_v1"
    mutates: ClassVar[bool] = True

    since: datetime
    first_seconds: float = 120.0
    settle_seconds: float = 900.0
    settle_by_type: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_time(self.since, field="since")

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "since": self.since.isoformat(),
            "first_seconds": self.first_seconds,
            "settle_seconds": self.settle_seconds,
            "settle_by_type": dict(self.settle_by_type),
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> ClosedCohorts:
        """Read the answer; raises ValueError if it is none."""
        return _CLOSED.validate_python(body)


@dataclass(frozen=True, slots=True)
class ReadCohorts(Call[CohortPage]):
    """Read cohorts of minutes in [since, until), by page.

    Raises:
        InvalidInput: a time is naive, or `since` is the later one.
    """

    function: ClassVar[str] = "read_cohorts_v1"
    mutates: ClassVar[bool] = False

    since: datetime
    until: datetime
    page: str | None = None
    page_size: int = LARGEST_COHORT_PAGE

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

    def parse(self, body: Json) -> CohortPage:
        """Read the answer; raises ValueError if it is none."""
        page = _PAGE.validate_python(body)
        if page.columns != COHORT_COLUMNS:
            raise ValueError("these are no cohorts of this version")
        return page


@dataclass(frozen=True, slots=True)
class ReadCohortTotals(Call[CohortTotals]):
    """Read how long jobs of minutes in [since, until) took, and what waited in the 20 minutes before `until`.

    Raises:
        InvalidInput: a time is naive, or `since` is the later one.
    """

    function: ClassVar[str] = "read_cohort_totals_v1"
    mutates: ClassVar[bool] = False

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        check_span(self.since, self.until)

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> CohortTotals:
        """Read the answer; raises ValueError if it is none."""
        return _TOTALS.validate_python(body)
