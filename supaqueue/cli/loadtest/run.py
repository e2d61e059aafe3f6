"""A load test from beginning to end."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from supaqueue.cli.loadtest.arrivals import poisson_arrivals
from supaqueue.cli.loadtest.backlog import Backlog, read_backlog, watch_backlog
from supaqueue.cli.loadtest.cleaning_up import CleanedUp, clean_up
from supaqueue.cli.loadtest.finishes import Finishes
from supaqueue.cli.loadtest.lag import LoopLag
from supaqueue.cli.loadtest.load_queue import LoadQueue
from supaqueue.cli.loadtest.measured import Measured
from supaqueue.cli.loadtest.plan import LoadPlan
from supaqueue.cli.loadtest.producers import Producers
from supaqueue.cli.loadtest.trying_out import TryingOut
from supaqueue.cli.loadtest.verdict import Verdict, judge
from supaqueue.cli.loadtest.workers import OwnWorkers, WorkerEnded
from supaqueue.errors import SupaqueueError
from supaqueue.transport import AsyncTransport

SHOW_SECONDS = 0.5
LAST_LOOK_SECONDS = 2.0
"""For a last look at what has ended, when waiting is over."""

Show = Callable[[str, Measured], None]
"""Called with what is going on and what is measured so far, twice a second."""


class Interrupted(SupaqueueError):
    """It was told to stop before anything was measured."""


@dataclass(frozen=True, slots=True)
class Sending:
    """How the load was sent.

    Attributes:
        seconds: from the first moment to the answer to the last enqueue.
        cpu_percent: of one core, that the producers' process used.
        load_average: of this machine at the end of it, over a minute.
    """

    seconds: float
    cpu_percent: float
    load_average: float


@dataclass(frozen=True, slots=True)
class LoadTest:
    """What came of a load test.

    Attributes:
        idle_seconds: the median from sent to finished before there was any load.
        before, after: the queue's backlog before the load, and once the waiting was over; None if unknown.
        drained_after: seconds from the last enqueue to the end of the last job; None if some had not ended.
        failed_looks: how often jobs could not be read.
    """

    began_at: datetime
    plan: LoadPlan
    verdict: Verdict
    measured: Measured
    sending: Sending
    lag: LoopLag
    idle_seconds: float
    before: Backlog
    after: Backlog | None
    drained_after: float | None
    failed_looks: int
    cleaned_up: CleanedUp


class LoadTestRun:
    """One load test, to be run once.

    Args:
        queue: what jobs are enqueued into.
        reader: the same queue over connections of its own: that all those of the producers are busy must not
            keep anybody from looking, nor from cleaning up.
        transport: to the Supabase of that queue.
        workers: those of the load test's own, which are stopped here.
        ready_seconds: how long the first few jobs may take.
        told: once it is set, nothing more is sent or waited for.
    """

    def __init__(
        self,
        plan: LoadPlan,
        queue: LoadQueue,
        reader: LoadQueue,
        transport: AsyncTransport,
        workers: OwnWorkers,
        *,
        ready_seconds: float,
        told: asyncio.Event,
        show: Show,
    ) -> None:
        self._plan, self._reader, self._transport, self._workers = plan, reader, transport, workers
        self._ready_seconds, self._told, self._show = ready_seconds, told, show
        self._began_at = datetime.now(UTC)
        self._measured = Measured(plan.slo_seconds, time.monotonic())
        self._lag = LoopLag()
        self._trying_out = TryingOut(plan, queue, reader, self._measured)
        self._finishes = Finishes(reader, self._measured)
        arrivals = poisson_arrivals(plan.rate, plan.duration_seconds, plan.seed)
        self._producers = Producers(plan, queue, arrivals, self._measured, self._finishes, told)
        self._unended: list[str] = []
        self._doing = "trying it out"
        self._stopped: str | None = None

    async def run(self) -> LoadTest:
        """Try it out, send the load, wait until it has drained, and clean up.

        Raises:
            NobodyWorks: nobody ran the first jobs.
            Interrupted: it was told to stop before the load began.
            CallError: the queue refuses, or gives no answer, before the load began.
        """
        try:
            before = await read_backlog(self._reader, self._plan.queue)
            idle_seconds = await self._try_out()
            sending = await self._load()
            after = await self._backlog_after()
        finally:
            cleaned_up = await self._clean_up()
        lag_seconds = self._lag.latencies.seconds_at(95)
        return LoadTest(
            began_at=self._began_at,
            plan=self._plan,
            verdict=judge(self._plan, self._measured, lag_seconds, self._stopped),
            measured=self._measured,
            sending=sending,
            lag=self._lag,
            idle_seconds=idle_seconds,
            before=before,
            after=after,
            drained_after=self._drained_after(sending),
            failed_looks=self._finishes.failed_looks,
            cleaned_up=cleaned_up,
        )

    async def _try_out(self) -> float:
        self._show(self._doing, self._measured)
        trying = asyncio.create_task(self._trying_out.run(self._ready_seconds, self._workers.check))
        await self._until_told_or(trying)
        if not trying.done():
            trying.cancel()
            with suppress(asyncio.CancelledError):
                await trying
            raise Interrupted("interrupted before the load began: nothing was measured")
        return trying.result()

    async def _load(self) -> Sending:
        self._doing = "sending"
        self._measured.begun = time.monotonic()
        finishing = asyncio.create_task(self._finishes.run())
        others = [
            asyncio.create_task(watch_backlog(self._reader, self._plan.queue, self._saw)),
            asyncio.create_task(self._watch_over()),
        ]
        try:
            sending = await self._send()
            self._doing = "waiting for the backlog to drain"
            self._finishes.close()
            await self._until_told_or(finishing, self._plan.drain_seconds)
            await asyncio.wait({finishing}, timeout=LAST_LOOK_SECONDS)
        finally:
            for task in (finishing, *others):
                task.cancel()
            await asyncio.gather(finishing, *others, return_exceptions=True)
        if finishing.done() and not finishing.cancelled():
            finishing.result()
        if self._told.is_set():
            self._stopped = self._stopped or "it was interrupted"
        self._unended = self._finishes.give_up()
        return sending

    async def _send(self) -> Sending:
        lagging = asyncio.create_task(self._lag.run())
        cpu_seconds = time.process_time()
        await self._producers.run()
        lagging.cancel()
        seconds = time.monotonic() - self._measured.begun
        used = time.process_time() - cpu_seconds
        return Sending(seconds, 100 * used / max(seconds, 1e-9), os.getloadavg()[0])

    async def _until_told_or(
        self, task: asyncio.Task[float] | asyncio.Task[None], seconds: float | None = None
    ) -> None:
        telling = asyncio.create_task(self._told.wait())
        await asyncio.wait({task, telling}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        telling.cancel()

    async def _watch_over(self) -> None:
        while True:
            self._show(self._doing, self._measured)
            try:
                self._workers.check()
            except WorkerEnded as ended:
                self._stopped = str(ended)
                self._told.set()
                return
            await asyncio.sleep(SHOW_SECONDS)

    def _saw(self, at: float, backlog: Backlog) -> None:
        where = self._measured.timeline.at(at - self._measured.begun)
        where.saw(backlog.waiting, backlog.running, backlog.oldest_seconds)

    async def _backlog_after(self) -> Backlog | None:
        try:
            return await read_backlog(self._reader, self._plan.queue)
        except SupaqueueError:
            return None

    def _drained_after(self, sending: Sending) -> float | None:
        measured = self._measured
        if measured.unended or measured.last_finish is None:
            return None
        return max(0.0, measured.last_finish - measured.begun - sending.seconds)

    async def _clean_up(self) -> CleanedUp:
        self._show("cleaning up", self._measured)
        await asyncio.to_thread(self._workers.stop)
        unended = [*self._trying_out.job_ids, *self._unended]
        return await clean_up(
            self._plan,
            self._reader,
            self._transport,
            unended,
            self._producers.in_doubt,
            self._trying_out.since,
        )
