"""Facts of jobs for a comparison with another system; rows stay plain: a check reads millions of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json
from supaqueue.contract.moment import check_span

OBSERVED_COLUMNS = (
    *(
        "job_id",
        "task_type",
        "owner",
        "epoch",
        "status",
        "mirror_state",
        "created_at",
        "run_at",
        "finished_at",
    ),
    *("started", "payload", "result", "error", "attempts", "owner_outcome", "shadow"),
)
LARGEST_OBSERVED_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class ObservedPage:
    """What is known of jobs: a list per job in the order of `OBSERVED_COLUMNS`.

    Times are microseconds since 1970 by the database's clock, `observed_at` too. `started`: how many attempts
    began here. `owner_outcome` and `shadow`: objects with status, result, error, attempts and ended_at.
    """

    rows: list[list[Json]]
    observed_at: int
    next_page: str | None


@dataclass(frozen=True, slots=True)
class ObserveJobs(Call[ObservedPage]):
    """List jobs stored in [since, until), oldest first, by page, of at most 4 MiB of payloads and results.

    Raises:
        InvalidInput: a time is naive, or `since` is the later one.
    """

    function: ClassVar[str] = "observe_jobs_v1"
    mutates: ClassVar[bool] = False

    since: datetime
    until: datetime
    page: str | None = None
    page_size: int = LARGEST_OBSERVED_PAGE

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

    def parse(self, body: Json) -> ObservedPage:
        """Read the answer; raises ValueError if it is none."""
        return _page_of(body)


@dataclass(frozen=True, slots=True)
class ObserveJobsById(Call[ObservedPage]):
    """Look at these jobs: a row for each that is there, in no order that counts."""

    function: ClassVar[str] = "observe_jobs_by_id_v1"
    mutates: ClassVar[bool] = False

    job_ids: tuple[str, ...]

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {"job_ids": list(self.job_ids), "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> ObservedPage:
        """Read the answer; raises ValueError if it is none."""
        return _page_of(body)

    def concerns(self) -> tuple[str, ...]:
        """Return the ids of the jobs."""
        return self.job_ids


def _page_of(body: Json) -> ObservedPage:
    if not isinstance(body, dict) or body.get("columns") != list(OBSERVED_COLUMNS):
        raise ValueError("these are no observations of this version")
    rows, observed_at, next_page = body.get("rows"), body.get("observed_at"), body.get("next_page")
    if not isinstance(rows, list) or not isinstance(observed_at, int):
        raise ValueError("rows and their time are missing")
    if not all(isinstance(row, list) and len(row) == len(OBSERVED_COLUMNS) for row in rows):
        raise ValueError("a row has another number of columns")
    if next_page is not None and not isinstance(next_page, str):
        raise ValueError("next_page is no text")
    return ObservedPage(rows, observed_at, next_page)  # type: ignore[arg-type]  # checked above
