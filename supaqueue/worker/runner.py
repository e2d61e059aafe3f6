"""Each task's way through the worker: taken, started when a slot is free, ended, passed on."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from supaqueue.contract import ClaimedTask, HeartbeatAnswer
from supaqueue.telemetry import Telemetry
from supaqueue.telemetry.events import JobStarted
from supaqueue.worker.context import Context
from supaqueue.worker.facts import lease_lost, task_ids
from supaqueue.worker.leases import Held, Leases, Stop
from supaqueue.worker.probe import served_handler
from supaqueue.worker.progress_report import ProgressReport
from supaqueue.worker.registry import Registry
from supaqueue.worker.results import Results
from supaqueue.worker.run import Ended, abandoned, run_task, unstarted
from supaqueue.worker.time_limit import TimeLimit

_log = logging.getLogger(__name__)

AHEAD_SECONDS = 1.0
"""How long a task that was claimed ahead may wait for a slot."""

INTERRUPT_SECONDS = 2.0
"""How long an interrupted async handler may clean up, and a sync one take to look at its context."""


@dataclass(slots=True)
class Runner:
    """Runs up to `concurrency` handlers at a time. Every method belongs to the event loop's thread.

    Attributes:
        results: reads what the tasks before one came to.
        on_end: told of every end that is to be reported.
        on_free: told when a task is held no longer, without a report.
        on_crowding: told for how many seconds, at least, tasks had to wait here for a slot.
        on_stuck: told how many slots are taken by handlers that go on although their time is up.
        on_progress: told, in the handler's thread, that one has reported progress.
    """

    registry: Registry
    leases: Leases
    worker_id: str
    concurrency: int
    max_result_bytes: int
    telemetry: Telemetry
    threads: ThreadPoolExecutor
    results: Results
    on_end: Callable[[Ended], None]
    on_free: Callable[[], None]
    on_crowding: Callable[[float], None]
    on_stuck: Callable[[int], None]
    on_progress: Callable[[], None]
    _waiting: deque[Held] = field(default_factory=deque)
    _running: set[Held] = field(default_factory=set)
    _stuck: set[Held] = field(default_factory=set)
    _leaving: bool = False

    def take(self, task: ClaimedTask) -> None:
        """Holds a task that was claimed, and starts it as soon as there is a slot."""
        context = Context(
            job_id=task.job_id,
            task_number=task.task_number,
            task_type=task.task_type,
            queue=task.queue,
            attempt=task.attempt,
            max_attempts=task.max_attempts,
            worker_id=self.worker_id,
            timeout_seconds=task.timeout_seconds,
            shadow=task.purpose == "shadow",
            task_name=task.task_name,
            report=ProgressReport(task.checkpoint, self.on_progress),
        )
        held = Held(task, context)
        self.leases.add(held)
        self._waiting.append(held)
        self._start_waiting()

    def heard(self, answer: HeartbeatAnswer) -> None:
        """Ends the run of a task that is held no longer, or whose job is cancelled."""
        held = self.leases.get(answer.ref)
        if held is None or held.ended or held.stop is Stop.LEASE_LOST:
            # Its end is on its way: what the database makes of that is the answer that counts.
            return
        if answer.answer == "lost" and held.counts:
            # Held on until its run ends: a sync handler goes on in its thread, and takes up a slot.
            self.telemetry.emit(lease_lost(held, "heartbeat"))
        self._interrupt(held, Stop.LEASE_LOST if answer.answer == "lost" else Stop.CANCELLED)

    async def hand_back_what_waits(self) -> None:
        """Hands back tasks that got no slot within a second, for ever: another worker may be idle."""
        while True:
            await asyncio.sleep(AHEAD_SECONDS / 4)
            if self._waiting and time.monotonic() - self._waiting[0].taken_at > AHEAD_SECONDS:
                self.on_crowding(AHEAD_SECONDS)
                self._hand_back(list(self._waiting))

    def hand_back_queues(self, queues: Collection[str]) -> None:
        """Hands back what has not started of queues that are paused."""
        self._hand_back([held for held in self._waiting if held.task.queue in queues])

    def hand_back_types(self, task_types: Collection[str]) -> None:
        """Hands back what has not started of types that the flag of a cutover holds back."""
        self._hand_back([held for held in self._waiting if held.counts and held.task.task_type in task_types])

    def _hand_back(self, waiting: Iterable[Held]) -> None:
        for held in waiting:
            self._waiting.remove(held)
            self._end(held, unstarted(held))

    async def leave(self, grace_seconds: float) -> bool:
        """Hands back what waits, lets handlers end within the grace time, then interrupts the rest.

        Returns:
            Whether every handler ended. Those that did not are reported no more: their leases will run out.
        """
        self._leaving = True
        if self._waiting or self._running:
            _log.info(
                "%d tasks go back, %d handlers have %.0f s to end",
                len(self._waiting),
                len(self._running),
                grace_seconds,
            )
        for held in list(self._waiting):
            self._interrupt(held, Stop.SHUTDOWN)
        await self._all_ended(grace_seconds)
        for held in self._running:
            held.interrupt(Stop.SHUTDOWN)
        ended = await self._all_ended(INTERRUPT_SECONDS)
        for held in self._running - self._stuck:
            held.let_go()
            _log.warning(
                "job %s (%s) has not ended in time: its lease will run out, and another worker runs it again",
                held.task.job_id,
                held.task.task_type,
            )
        return ended

    def _start_waiting(self) -> None:
        while self._waiting and len(self._running) < self.concurrency and not self._leaving:
            held = self._waiting.popleft()
            left = held.time_left()
            if left is not None and left[0] <= 0:
                self._end(held, unstarted(held))  # its deadline came while it waited here
                continue
            self._running.add(held)
            held.run = asyncio.create_task(self._run(held))
            held.run.add_done_callback(partial(self._ran, held))

    async def _run(self, held: Held) -> Ended | None:
        if not await self._has_results(held):
            return unstarted(held)
        self.leases.started(held.task.ref)
        if held.counts:
            self.telemetry.emit(
                JobStarted(
                    **task_ids(held), attempt=held.task.attempt, waited_seconds=held.task.waited_seconds
                )
            )
        handler = served_handler(self.registry, held.task.task_type)
        assert handler is not None, "claimed, although no handler is there"
        limit = TimeLimit(held, self._abandon)
        try:
            return await run_task(held, handler, self.threads, self.max_result_bytes)
        finally:
            limit.lift()

    async def _has_results(self, held: Held) -> bool:
        if await self.results.hand_on(held):
            return True
        if held.stop is Stop.LEASE_LOST and held.counts:
            self.telemetry.emit(lease_lost(held, "read_results"))
        return False

    def _abandon(self, held: Held, stop: Stop, ran_seconds: float) -> None:
        # Its slot stays taken: the thread, or the task that swallows its cancellation, goes on.
        held.left_running = True
        self._stuck.add(held)
        self.on_stuck(len(self._stuck))
        _log.error(
            "job %s (%s) goes on although its time is up: it takes up a slot until its handler ends",
            held.task.job_id,
            held.task.task_type,
        )
        self._end(held, abandoned(held, stop, ran_seconds))

    def _ran(self, held: Held, run: asyncio.Task[Ended | None]) -> None:
        self._running.discard(held)
        if held in self._stuck:
            self._stuck.discard(held)
            self.on_stuck(len(self._stuck))
            self._start_waiting()
            return
        # A run that is cancelled before its first step never enters its body.
        self._end(held, unstarted(held) if run.cancelled() else run.result())
        self._start_waiting()

    def _end(self, held: Held, ended: Ended | None) -> None:
        held.ended = True
        if ended is not None:
            self.on_end(ended)
            return
        self.leases.remove(held.task.ref)
        self.on_free()

    def _interrupt(self, held: Held, reason: Stop) -> None:
        held.interrupt(reason)
        if held.run is None:
            self._waiting.remove(held)
            self._end(held, unstarted(held))

    async def _all_ended(self, seconds: float) -> bool:
        runs = [held.run for held in self._running if held.run is not None]
        if runs:
            await asyncio.wait(runs, timeout=seconds)
            await asyncio.sleep(0)  # lets the callbacks of the runs pass their ends on
        return not self._running
