"""What a load test sends, and what that must come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from supaqueue.errors import InvalidInput

TASK_TYPE = "supaqueue-loadtest"
"""The type of a load test's own jobs, which do nothing."""
QUEUE = "supaqueue-loadtest"
FASTEST_RATE = 10_000.0
JOBS_BEYOND = 10
"""So many jobs must lie beyond a percentile for it to say anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """A load and its objective. Times are seconds, the rate is jobs a second, percents are 0 to 100.

    Attributes:
        concurrency: the most enqueues in flight; a job that is due while all are busy waits for the next one.
        percentile: of the due jobs, so many percent must complete within `slo_seconds` of being due.
        most_errors: the percent of the due jobs that may be refused or fail.
        drain_seconds: how long to wait, after the last enqueue, for what has not ended.
        tag: what every job carries, to be found by.
    """

    duration_seconds: float
    concurrency: int
    rate: float
    slo_seconds: float
    percentile: float = 95.0
    most_errors: float = 1.0
    drain_seconds: float = 60.0
    queue: str = QUEUE
    task_type: str = TASK_TYPE
    payload: Any = None
    tag: str = "loadtest"
    seed: int = 0

    @property
    def is_own(self) -> bool:
        """Whether the jobs are the load test's own, which may be removed afterwards."""
        return self.task_type == TASK_TYPE

    @property
    def expected_jobs(self) -> int:
        """About how many jobs it sends."""
        return round(self.rate * self.duration_seconds)

    @property
    def needed_jobs(self) -> int:
        """How many jobs must have been due for a verdict."""
        return round(JOBS_BEYOND / (1 - self.percentile / 100))

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            InvalidInput: naming the option.
        """
        if not 1 <= self.duration_seconds <= 86_400:
            raise InvalidInput("must be 1 to 86400", field="--duration-seconds")
        if not 1 <= self.concurrency <= 10_000:
            raise InvalidInput("must be 1 to 10000", field="--concurrency")
        if not 0 < self.rate <= FASTEST_RATE:
            raise InvalidInput(f"must be above 0 and at most {FASTEST_RATE:g}", field="--rate")
        if not 0 < self.slo_seconds <= 3600:
            raise InvalidInput("must be above 0 and at most 3600000", field="--slo-ms")
        if not 50 <= self.percentile <= 99.9:
            raise InvalidInput("must be 50 to 99.9", field="--percentile")
        if not 0 <= self.most_errors < 100:
            raise InvalidInput("must be 0 or more, and below 100", field="--max-errors-percent")
        if not 0 <= self.drain_seconds <= 86_400:
            raise InvalidInput("must be 0 to 86400", field="--drain-seconds")
