"""How to wait for a job's end: look often at first, then less and less."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from supaqueue.errors import InvalidInput, JobNotFound, WaitTimeout
from supaqueue.job import Job

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0
GROWTH = 1.5


class Waiting:
    """One wait. Pure: the caller looks and sleeps.

    Args:
        timeout: in seconds or as a timedelta; None waits for ever.

    Raises:
        InvalidInput: `timeout` is negative.
    """

    def __init__(
        self,
        job_id: str,
        timeout: float | timedelta | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        if seconds is not None and not seconds >= 0:
            raise InvalidInput("must not be negative", field="timeout")
        self._job_id = job_id
        self._seconds = seconds
        self._clock = clock
        self._begun = clock()
        self._pause = FIRST_PAUSE_SECONDS

    def found(self, job: Job | None) -> Job:
        """Return the job.

        Raises:
            JobNotFound: there is none.
        """
        if job is None:
            raise JobNotFound(self._job_id)
        return job

    def next_pause(self, job: Job) -> float:
        """Return how many seconds to sleep before the next look; the last one is at the deadline.

        Raises:
            WaitTimeout: the deadline has passed.
        """
        pause, self._pause = self._pause, min(self._pause * GROWTH, LONGEST_PAUSE_SECONDS)
        if self._seconds is None:
            return pause
        left = self._begun + self._seconds - self._clock()
        if left <= 0:
            raise WaitTimeout(f"job {self._job_id} is still {job.status} after {self._seconds:g} s")
        return min(pause, left)
