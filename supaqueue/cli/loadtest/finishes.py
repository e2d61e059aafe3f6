"""Learns how jobs ended, many with each look, and no job by more looks than it takes."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from supaqueue.cli.loadtest.load_queue import Accepted, LoadQueue
from supaqueue.cli.loadtest.measured import Measured
from supaqueue.errors import SupaqueueError

JOBS_PER_LOOK = 200
"""What one request reads."""
PAUSE_SECONDS = 0.5
"""Between looks of which most jobs had not ended, or which were not full."""
FAILED_PAUSE_SECONDS = 2.0


class Finishes:
    """Waits for the end of jobs in the order of their enqueue; those that have not ended go to the back.

    When a job ended is what the database says of it, so that looking late makes nothing longer. A look takes
    200 jobs at most, and at most half of the time goes into looking: at a few hundred jobs a second these are
    two or three requests a second beside the hundreds that are measured.
    """

    def __init__(
        self, queue: LoadQueue, measured: Measured, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._queue, self._measured, self._clock = queue, measured, clock
        self._unended: deque[Accepted] = deque()
        self._closed = asyncio.Event()
        self.failed_looks = 0

    def __len__(self) -> int:
        return len(self._unended)

    def expect(self, one: Accepted) -> None:
        """Wait for the end of one more."""
        self._unended.append(one)

    def close(self) -> None:
        """No further jobs come: `run` returns once all have ended."""
        self._closed.set()

    def give_up(self) -> list[str]:
        """Wait no longer, and return the ids of jobs that have not ended."""
        left = [one.job_id for one in self._unended]
        for one in self._unended:
            self._measured.has_not_ended(one)
        self._unended.clear()
        return left

    async def run(self) -> None:
        """Look until all have ended. May be cancelled at any point."""
        while self._unended or not self._closed.is_set():
            began = self._clock()
            page = [self._unended[place] for place in range(min(JOBS_PER_LOOK, len(self._unended)))]
            pause = await self._look(page) if page else PAUSE_SECONDS
            await asyncio.sleep(max(pause, self._clock() - began))

    async def _look(self, page: list[Accepted]) -> float:
        """Read jobs, and return for how long to pause."""
        try:
            jobs = await self._queue.get_many([one.job_id for one in page], with_attempts=True)
        except SupaqueueError:
            self.failed_looks += 1
            return FAILED_PAUSE_SECONDS
        unended = []
        for one, job in zip(page, jobs, strict=True):
            if job is None:
                self._measured.has_vanished(one)
            elif job.ended:
                self._measured.has_ended(one, job)
            else:
                unended.append(one)
        # Only now, without a pause in between: whoever is cancelled before has lost none of them.
        for _ in page:
            self._unended.popleft()
        self._unended.extend(unended)
        is_worth_another = len(page) == JOBS_PER_LOOK and 2 * len(unended) < len(page)
        return 0.0 if is_worth_another else PAUSE_SECONDS
