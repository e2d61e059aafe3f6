"""The processes that are killed: each does one operation, and counts its writes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from supaqueue.answer import AbandonAnswer, EnqueueAnswer
from supaqueue.contract import Call, NewJob, ReadFeatureFlags
from supaqueue.cutover.guard import Guard
from supaqueue.cutover.legacy.folder_worker import FolderWorker, run_folder_worker
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.relay import Relay
from supaqueue.cutover.rollout import KnownFlags, Rollout
from supaqueue.cutover.router import DualWriteQueue
from supaqueue.cutover.spool import Spool
from supaqueue.cutover.step_runner import StepRunner
from supaqueue.cutover.steps import Step
from supaqueue.cutover.supabase_starts import StartsInSupabase
from supaqueue.cutover.switches import Switches
from supaqueue.cutover.take_over import TakeOver
from supaqueue.errors import CallError, QueueUnavailable
from supaqueue.transport import RestTransport, Transport
from supaqueue.worker import Worker
from tests.faults.crash_points_ground import LEASE_SECONDS, Ground, note
from tests.faults.crash_points_writes import (
    BROKER_WRITES,
    INDEX_WRITES,
    Counted,
    Writes,
    count_calls,
    count_files,
)

Weather = Literal["clear", "silent", "lost"]


@dataclass(frozen=True)
class Plan:
    """What one process does.

    Attributes:
        operation: a name in OPERATIONS.
        job: which job it is about.
        point: where it ends; None if it is to live.
        weather: what becomes of its enqueues to Supabase: `silent`, they never arrive; `lost`, their answers
            never do.
        log: gets its writes by name.
        told: gets what the operation's caller was told.
    """

    ground: Ground
    operation: str
    job: NewJob
    point: str | None
    weather: Weather
    log: Path
    told: Path


class Weathered:
    """A transport on which no enqueue is ever answered."""

    def __init__(self, inner: Transport, weather: Weather) -> None:
        self._inner, self._weather = inner, weather

    def send(self, call: Call[Any]) -> Any:
        """Make the call, if it arrives."""
        if call.function != "enqueue_jobs_v1" or self._weather == "clear":
            return self._inner.send(call)
        if self._weather == "lost":
            self._inner.send(call)
        raise QueueUnavailable("no answer", call=call.function, committed="unknown", retryable=True)

    def close(self) -> None:
        """Give back connections."""
        self._inner.close()


class PatientSteps(StepRunner):
    """On a slow machine: what has a budget gets all the time that it needs."""

    def _do_within(self, step: Step, seconds: float) -> Any:
        return super()._do_within(step, 60.0)


class PatientQueue(DualWriteQueue):
    """A router that takes its steps so."""

    def __init__(self, legacy: LegacyQueue, **options: Any) -> None:
        super().__init__(legacy, **options)
        self._steps = PatientSteps(self._steps._transport, self._steps._reports)


@dataclass(frozen=True)
class KeptFlags:
    """What a process knows that read no flags since."""

    known: KnownFlags

    def at_hand(self) -> KnownFlags:
        """Return them."""
        return self.known


@dataclass(frozen=True)
class Means:
    """What an operation works with."""

    plan: Plan
    transport: Transport
    legacy: LegacyQueue
    spool: Spool

    @property
    def router(self) -> DualWriteQueue:
        """What an API enqueues with; it has read the flags."""
        rollout = Rollout(self.transport, first_wait_seconds=60.0)
        rollout.refresh()
        return PatientQueue(
            self.legacy,
            transport=self.transport,
            rollout=rollout,
            switches=Switches(),
            spool=self.spool,
        )

    @property
    def router_left_behind(self) -> DualWriteQueue:
        """One that goes by flags of before the first percent."""
        flags = self.transport.send(ReadFeatureFlags())
        before = replace(flags.overall, stage="mirror", is_enabled=False, raised_at=None)
        rollout: Any = KeptFlags(KnownFlags(replace(flags, overall=before), 3600.0, False))
        return PatientQueue(
            self.legacy, transport=self.transport, rollout=rollout, switches=Switches(), spool=self.spool
        )

    @property
    def relay(self) -> Relay:
        """A relay on this host."""
        return Relay(self.transport, self.legacy, self.spool)

    @property
    def guard(self) -> Guard:
        """What stands before legacy's handlers."""
        asks = StartsInSupabase(self.transport)
        return Guard(self.legacy.index, start_in_supabase=asks, lease_seconds=LEASE_SECONDS)

    def tell(self, answer: str) -> None:
        """Tell the caller."""
        note(self.plan.told, f"{answer}\n")


def enqueue(means: Means) -> None:
    """An API's one call; the caller is told `created`, `exists`, `conflict`, or that it failed."""
    [answer] = _answers(means, lambda router: router.enqueue_many([means.plan.job]))
    means.tell(answer.answer)


def enqueue_left_behind(means: Means) -> None:
    """The same, by a process that does not know of the first percent."""
    [answer] = _answers(means, lambda _: means.router_left_behind.enqueue_many([means.plan.job]))
    means.tell(answer.answer)


def abandon(means: Means) -> None:
    """An API that takes its job back."""
    [answer] = _answers(means, lambda router: router.abandon([means.plan.job.job_id]))
    means.tell(answer.answer)


def _answers(means: Means, ask: Callable[[DualWriteQueue], Any]) -> list[EnqueueAnswer | AbandonAnswer]:
    try:
        return list(ask(means.router))
    except CallError as error:
        means.tell(f"failed {error.committed}")
        raise SystemExit(0) from None


def send_spooled(means: Means) -> None:
    """A relay's mirrors."""
    means.relay.send_spooled()


def turn(means: Means) -> None:
    """A relay's turn."""
    means.relay.turn()


def hand_back(means: Means) -> None:
    """A pass of a hand-back."""
    means.relay.hand_back()


def take_over(means: Means) -> None:
    """The announcing of what waits in legacy."""
    TakeOver(means.transport, means.legacy).announce()


def run_in_legacy(means: Means) -> None:
    """A worker of the folder's, until it is stopped."""
    ground = means.plan.ground
    broker: Any = means.legacy.broker
    run_folder_worker(FolderWorker(ground.registry("legacy"), broker, means.guard, concurrency=1))


def run_in_supabase(means: Means) -> None:
    """A worker of Supabase's, until it is stopped."""
    ground = means.plan.ground
    worker = Worker(ground.registry("supabase"), ground.settings, queues=[ground.queue_name], concurrency=1)
    asyncio.run(worker.run())


OPERATIONS: dict[str, Callable[[Means], None]] = {
    one.__name__: one
    for one in (
        enqueue,
        enqueue_left_behind,
        abandon,
        send_spooled,
        turn,
        hand_back,
        take_over,
        run_in_legacy,
        run_in_supabase,
    )
}


def perform(plan: Plan) -> None:
    """Do it, in a process of its own and a group of its own."""
    os.setsid()
    ground, writes = plan.ground, Writes(plan.log, plan.point)
    count_calls(writes)
    count_files(writes, ground.root)
    legacy, spool = ground.legacy(), Spool(ground.spool)
    legacy.index.count()  # opens it
    by_file = ground.kind == "folder"
    counted = LegacyQueue(
        Counted(legacy.broker, "broker", BROKER_WRITES, writes, by_file),  # type: ignore[arg-type]
        Counted(legacy.index, "index", INDEX_WRITES, writes, by_file),  # type: ignore[arg-type]
    )
    transport = Weathered(RestTransport(ground.settings), plan.weather)
    writes.begin()
    OPERATIONS[plan.operation](Means(plan, transport, counted, spool))
