"""Runs recurring jobs: enqueues a job for each tick, exactly once, however many schedulers there are."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from types import TracebackType
from typing import Literal, Self, TypeAlias

from supaqueue.contract import Ticks, TicksAnswer, TickSchedules
from supaqueue.errors import CallError, CallRefused, InvalidInput
from supaqueue.maintain.schedules import list_schedules
from supaqueue.schedule import Schedule, due_ticks
from supaqueue.telemetry import Telemetry
from supaqueue.telemetry.events import JobEnqueued
from supaqueue.transport import Transport
from supaqueue.worker.facts import queue_unavailable

_log = logging.getLogger(__name__)

GRACE_SECONDS = 60.0
"""A tick older than this counts as missed."""

LONGEST_PAUSE = 30.0
"""After so many seconds at most, changes of schedules are seen."""

JITTER_SECONDS = 0.2
"""So far apart do schedulers ask at a tick."""

FAILURE_SECONDS = 5.0
"""The longest pause after a turn that failed."""

TICKS_PER_CALL = 1000

Batch: TypeAlias = list[tuple[Schedule, Ticks]]


class Scheduler:
    """Enqueues what ticks, from a thread of its own or in the caller's.

    Any number may run: the database decides each tick once, and tells the time. A scheduler keeps nothing:
    it may be killed at any moment.

    Args:
        transport: what carries the calls; it is not closed here.
        telemetry: who is told of jobs enqueued and of the queue being unavailable.
        grace_seconds: a tick older than this counts as missed.
        longest_pause: seconds after which changes of schedules are seen at the latest.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        telemetry: Telemetry | None = None,
        grace_seconds: float = GRACE_SECONDS,
        longest_pause: float = LONGEST_PAUSE,
    ) -> None:
        self._transport = transport
        self._telemetry = telemetry or Telemetry()
        self._grace_seconds = grace_seconds
        self._longest_pause = longest_pause
        self._unreadable: set[tuple[str, int]] = set()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Run in a thread. It is a daemon: a process that leaves at once does not wait for it."""
        self._thread = threading.Thread(target=self.run, name="supaqueue-scheduler", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """Ask it to stop, and wait for its thread, `timeout` seconds at most."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def run(self) -> None:
        """Take turns until `stop`; failures are waited out."""
        while not self._stopped.is_set():
            self._stopped.wait(self._turn_or_pause())

    def turn(self) -> float:
        """Enqueue what has ticked until now, and return in how many seconds to look again.

        Raises:
            CallError: a call failed; the next turn finds all that was not decided.
        """
        listed = list_schedules(self._transport)
        listed_at = time.monotonic()
        schedules = [
            schedule for schedule in listed.schedules if schedule.is_enabled and self._reads(schedule)
        ]
        changed = [self._tick(batch) for batch in _batches(self._ticked(schedules, listed.now))]
        if any(changed):
            return random.uniform(0.0, JITTER_SECONDS)  # noqa: S311
        return max(0.0, self._until_next(schedules, listed.now) - (time.monotonic() - listed_at))

    def _turn_or_pause(self) -> float:
        try:
            return self.turn()
        except CallError as failed:
            event = queue_unavailable(failed)
            if event is not None:
                self._telemetry.emit(event)
            _log.warning("the scheduler's turn failed (%s: %s)", type(failed).__name__, failed)
        except Exception:
            # Once it was asked to stop, the transport may be closed under it.
            if not self._stopped.is_set():
                _log.exception("the scheduler's turn failed")
        # The transport has tried again, with growing pauses, before it gave up.
        return random.uniform(0.0, FAILURE_SECONDS)  # noqa: S311

    def _reads(self, schedule: Schedule) -> bool:
        """Whether its expression and zone can be read here; if not, say so once and let the others tick."""
        try:
            return schedule.clock is not None
        except InvalidInput as problem:
            known = (schedule.schedule_name, schedule.version)
            if known not in self._unreadable:
                self._unreadable.add(known)
                _log.error("schedule %s does not tick here: %s", schedule.schedule_name, problem)
            return False

    def _ticked(self, schedules: Iterable[Schedule], now: datetime) -> Iterator[tuple[Schedule, Ticks]]:
        for schedule in schedules:
            ticks = due_ticks(schedule, now, self._grace_seconds)
            if ticks is not None:
                yield schedule, Ticks(schedule.schedule_name, schedule.version, ticks, now)

    def _until_next(self, schedules: Iterable[Schedule], now: datetime) -> float:
        """Seconds from `now` to the next tick, or to the next look at what has changed."""
        horizon = now + timedelta(seconds=self._longest_pause)
        until = min((next(schedule.clock.after(now), horizon) for schedule in schedules), default=horizon)
        return (min(until, horizon) - now).total_seconds() + random.uniform(0.0, JITTER_SECONDS)  # noqa: S311

    def _tick(self, batch: Batch) -> bool:
        """Make one call, and return whether a schedule has changed since it was listed.

        Where the database refuses it, one call for each schedule, so that none stops the others.
        """
        try:
            answers = self._transport.send(TickSchedules(tuple(ticks for _, ticks in batch)))
        except CallRefused as refused:
            if len(batch) > 1:
                changed = [self._tick([one]) for one in batch]
                return any(changed)
            _log.error("schedule %s cannot tick: %s", batch[0][0].schedule_name, refused)
            return False
        for (schedule, _), answer in zip(batch, answers, strict=True):
            self._report(schedule, answer)
        return any(answer.answer == "changed" for answer in answers)

    def _report(self, schedule: Schedule, answer: TicksAnswer) -> None:
        for tick in answer.ticks:
            if tick.answer == "created":
                _log.info("schedule %s ticked: job %s", schedule.schedule_name, tick.job_id)
            if tick.answer != "passed":
                self._telemetry.emit(_enqueued(schedule, tick.job_id, tick.answer))


def _enqueued(schedule: Schedule, job_id: str, answer: Literal["created", "exists"]) -> JobEnqueued:
    return JobEnqueued(
        job_id=job_id, queue=schedule.job["queue"], task_type=schedule.job["task_type"], answer=answer
    )


def _batches(ticked: Iterable[tuple[Schedule, Ticks]]) -> Iterator[Batch]:
    """Parts that one call each can take: of up to 1,000 ticks, or of one schedule alone."""
    batch: Batch = []
    size = 0
    for schedule, ticks in ticked:
        cost = max(1, len(ticks.ticks))
        if batch and size + cost > TICKS_PER_CALL:
            yield batch
            batch, size = [], 0
        batch.append((schedule, ticks))
        size += cost
    if batch:
        yield batch
