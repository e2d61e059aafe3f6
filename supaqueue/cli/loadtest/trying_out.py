"""A few jobs one after the other, before the load: does somebody run them, and how quick is it idle?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from statistics import median

from supaqueue.cli.loadtest.load_queue import Accepted, LoadQueue
from supaqueue.cli.loadtest.measured import Measured
from supaqueue.cli.loadtest.plan import LoadPlan
from supaqueue.errors import SupaqueueError
from supaqueue.job import Job

JOBS = 10
LOOK_SECONDS = 0.1


class NobodyWorks(SupaqueueError):
    """No worker ended the first jobs."""


class TryingOut:
    """Sends a few jobs; no part of what is measured, but for the clocks of the systems that run them.

    Attributes:
        job_ids: of those that were stored.
        since: when the first was, by the clock of the system that has it; None until it was read.
    """

    def __init__(self, plan: LoadPlan, queue: LoadQueue, reader: LoadQueue, measured: Measured) -> None:
        self.job_ids: list[str] = []
        self.since: datetime | None = None
        self._plan, self._queue, self._reader, self._measured = plan, queue, reader, measured

    async def run(self, ready_seconds: float, check: Callable[[], None]) -> float:
        """Wait until they have ended, and return the median seconds from sent to finished.

        Args:
            ready_seconds: how long that may take.
            check: raises if it is of no use to wait any longer.

        Raises:
            NobodyWorks: they had not ended by then.
            CallError: the queue refuses, or gives no answer.
        """
        deadline = time.monotonic() + ready_seconds
        sent = [await self._enqueue()]
        await self._until_ended(deadline, check)  # workers may just be starting
        sent += [await self._enqueue() for _ in range(JOBS - 1)]
        jobs = await self._until_ended(deadline, check)
        return median([self._seconds(one, job) for one, job in zip(sent, jobs, strict=True)][1:])

    async def _until_ended(self, deadline: float, check: Callable[[], None]) -> list[Job]:
        while len(jobs := await self._ended()) < len(self.job_ids):
            check()
            if time.monotonic() > deadline:
                raise self._nobody_works(len(self.job_ids) - len(jobs))
            await asyncio.sleep(LOOK_SECONDS)
        return jobs

    async def _enqueue(self) -> Accepted:
        sent, plan = time.monotonic(), self._plan
        answer = await self._queue.enqueue(plan.task_type, plan.payload, queue=plan.queue, tags=(plan.tag,))
        self.job_ids.append(answer.job_id)
        return Accepted(answer.job_id, sent, sent, time.monotonic())

    async def _ended(self) -> list[Job]:
        jobs = [job for job in await self._reader.get_many(self.job_ids) if job is not None]
        self.since = min((job.created_at for job in jobs), default=None)
        return [job for job in jobs if job.ended]

    def _seconds(self, one: Accepted, job: Job) -> float:
        clock = self._measured.clocks[job.owner]
        clock.saw(one.sent, job.created_at.timestamp(), one.answered)
        finished = job.finished_at or job.created_at
        return max(0.0, clock.here(finished.timestamp()) - one.sent)

    def _nobody_works(self, left: int) -> NobodyWorks:
        return NobodyWorks(
            f"{left} of the first {len(self.job_ids)} jobs, of type {self._plan.task_type} in queue"
            f" {self._plan.queue}, had not ended in time: does a worker serve both, and is the queue open"
            " (supaqueue stats)? Where handlers take longer, give --ready-seconds"
        )
