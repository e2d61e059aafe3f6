"""How to wait for the end of jobs: look often at first, then less and less."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import timedelta

from supaqueue.errors import InvalidInput, JobNotFound, WaitTimeout
from supaqueue.job import Job

SHORTEST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 8.0
SHARE = 0.5
"""Each pause is this part of the time waited so far: 60 seconds take 19 looks, 10 seconds 12."""


class Waiting:
    """One wait, for one job or for many. Pure: the caller looks and sleeps.

    Args:
        job_ids: what is waited for.
        timeout: in seconds or as a timedelta; None waits for ever.

    Raises:
        InvalidInput: `timeout` is negative.
    """

    def __init__(
        self,
        job_ids: Iterable[str],
        timeout: float | timedelta | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        if seconds is not None and not seconds >= 0:
            raise InvalidInput("must not be negative", field="timeout")
        self._ids = list(job_ids)
        self._jobs: dict[str, Job] = {}
        self._seconds = seconds
        self._clock = clock
        self._begun = clock()

    @property
    def unended(self) -> list[str]:
        """The ids to look at next: each once, without those that have ended."""
        return [id for id in dict.fromkeys(self._ids) if id not in self._jobs or not self._jobs[id].ended]

    @property
    def jobs(self) -> list[Job]:
        """Each job as it was last seen, in the order of the ids."""
        return [self._jobs[id] for id in self._ids]

    def saw(self, looked_at: Iterable[str], found: Iterable[Job | None]) -> None:
        """Note what a look at some of the ids found.

        Raises:
            JobNotFound: there is no such job.
        """
        for job_id, job in zip(looked_at, found, strict=True):
            if job is None:
                raise JobNotFound(job_id)
            self._jobs[job_id] = job

    def next_pause(self) -> float:
        """Return how many seconds to sleep before the next look; the last one is at the deadline.

        Raises:
            WaitTimeout: the deadline has passed.
        """
        waited = self._clock() - self._begun
        pause = min(max(SHARE * waited, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
        if self._seconds is None:
            return pause
        if waited >= self._seconds:
            raise WaitTimeout(self._still())
        return min(pause, self._seconds - waited)

    def _still(self) -> str:
        unended = self.unended
        first = self._jobs[unended[0]]
        others = f"{len(unended)} of {len(self._ids)} jobs have not ended: " if len(self._ids) > 1 else ""
        return f"{others}job {first.job_id} is still {first.status} after {self._seconds:g} s"
