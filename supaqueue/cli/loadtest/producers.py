"""Producers: each takes the next time at which a job is due, waits for it, and enqueues."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

from supaqueue.cli.loadtest.finishes import Finishes
from supaqueue.cli.loadtest.load_queue import Accepted, LoadQueue
from supaqueue.cli.loadtest.measured import Measured
from supaqueue.cli.loadtest.plan import LoadPlan
from supaqueue.errors import CallError, SupaqueueError

MOST_UNENDED = 200_000
"""With so many jobs that have not ended no further ones are sent: the system is far behind."""


class Producers:
    """So many enqueues in flight at most, of jobs that are due at times fixed beforehand.

    A job that is due while all are busy is sent by the next one that is free, and counts from when it was
    due: a system that is slow to answer cannot make the load any lighter than it was to be.

    Args:
        arrivals: when jobs are due, in seconds from the start.
        stopping: once it is set, no further job is sent.
    """

    def __init__(
        self,
        plan: LoadPlan,
        queue: LoadQueue,
        arrivals: Iterator[float],
        measured: Measured,
        finishes: Finishes,
        stopping: asyncio.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.in_doubt: list[str] = []
        """Ids of jobs of which nobody knows whether they are stored."""
        self._plan, self._queue, self._arrivals = plan, queue, arrivals
        self._measured, self._finishes, self._stopping, self._clock = measured, finishes, stopping, clock

    async def run(self) -> None:
        """Send every job that is due; return when the last was answered, or `stopping` is set."""
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._plan.concurrency, max(1, self._plan.expected_jobs * 2))):
                group.create_task(self._produce())
        if not self._stopping.is_set():
            for due in self._arrivals:
                self._measured.was_due(self._measured.begun + due)
                self._measured.was_not_sent(self._measured.begun + due)

    async def _produce(self) -> None:
        # What was due just before the end may still be sent in time.
        give_up_at = self._measured.begun + self._plan.duration_seconds + self._plan.slo_seconds
        for seconds in self._arrivals:
            due = self._measured.begun + seconds
            if not await self._wait_until(due):
                return
            self._measured.was_due(due)
            if self._clock() > give_up_at or len(self._finishes) >= MOST_UNENDED:
                self._measured.was_not_sent(due)
                return
            await self._send(due)

    async def _wait_until(self, due: float) -> bool:
        try:
            async with asyncio.timeout(max(0.0, due - self._clock())):
                await self._stopping.wait()
        except TimeoutError:
            return True
        return False

    async def _send(self, due: float) -> None:
        plan, sent = self._plan, self._clock()
        self._measured.was_sent(due, sent)
        try:
            answer = await self._queue.enqueue(
                plan.task_type, plan.payload, queue=plan.queue, tags=(plan.tag,)
            )
        except SupaqueueError as error:
            self._measured.was_refused(due, error)
            if isinstance(error, CallError) and error.committed == "unknown" and error.job_id:
                self.in_doubt.append(error.job_id)
            return
        one = Accepted(answer.job_id, due, sent, self._clock())
        self._measured.was_accepted(one)
        self._finishes.expect(one)
