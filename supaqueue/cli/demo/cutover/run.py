"""The cutover from beginning to end, while producers enqueue and workers of both systems run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import psycopg

from supaqueue.cli.demo.cutover.legacy import legacy_place, open_legacy
from supaqueue.cli.demo.cutover.order import Order, Tellings
from supaqueue.cli.demo.cutover.processes import (
    PythonProcess,
    WorkerProcess,
    legacy_workers,
    producers,
    supabase_workers,
)
from supaqueue.cli.demo.cutover.records import Records, read_records
from supaqueue.cli.demo.cutover.switching import Switching, Until, until
from supaqueue.cli.demo.cutover.witness import read_witness
from supaqueue.contract import FeatureFlag
from supaqueue.cutover.relay import Relay
from supaqueue.cutover.relay_loop import RelayLoop
from supaqueue.cutover.relayed import Relayed
from supaqueue.cutover.spool import Spool
from supaqueue.devstack import Stack
from supaqueue.errors import SupaqueueError
from supaqueue.maintain.migrate import Migrator
from supaqueue.settings import Settings
from supaqueue.transport import RestTransport

WORKERS = 2
PRODUCERS = 2
BACKLOG = 20
"""Jobs that wait in Supabase when the emergency comes, so that there is something to hand back."""
SHADOW_PERCENT = 25

Show = Callable[[str], None]


@dataclass(slots=True)
class StageRun:
    """One stage as it went: what the flag gave to Supabase, and what the relay did meanwhile."""

    name: str
    percent: Decimal
    probability: float
    relayed: Relayed


class Cutover:
    """Everything that runs, and the steps of the plan.

    Args:
        folder: for the logs, the witness and the spool.
        place: of the old queue, as `open_legacy` takes it.
        jobs_per_stage: how many must have been placed by a stage's flag before the next one.
        show: told what is going on.
    """

    def __init__(self, stack: Stack, folder: Path, place: str, jobs_per_stage: int, show: Show) -> None:
        self.stages: list[StageRun] = []
        self.legacy = open_legacy(place)
        self.tellings = Tellings(folder)
        self._folder, self._jobs_per_stage, self._show = folder, jobs_per_stage, show
        self._supabase_workers = supabase_workers(stack, folder, WORKERS)
        self._legacy_workers = legacy_workers(stack, folder, place, WORKERS)
        self._producers = producers(stack, folder, place, PRODUCERS)
        self._relayed = Relayed()
        self._until: Until = until(self._check)
        self._open = ExitStack()
        self.database = self._open.enter_context(psycopg.connect(stack.database_url, autocommit=True))
        self._transport = self._open.enter_context(
            RestTransport(Settings(url=stack.url, service_role_key=stack.service_role_key))
        )
        self._spool = Spool(folder / "spool")
        self._switching = Switching(self._transport, self.legacy, self.database, self._until)
        relay = Relay(self._transport, self.legacy, self._spool)
        self._relay = RelayLoop(relay, self._transport, self._add)

    def run(self) -> None:
        """Take every step.

        Raises:
            SupaqueueError: something ended that should not, or did not come in time.
        """
        try:
            self._steps()
        finally:
            self._relay.stop(5.0)
            for process in (*self._producers, *self._workers):
                process.stop()

    def close(self) -> None:
        """Give back connections."""
        self._open.close()
        self.legacy.close()

    def _steps(self) -> None:
        self._begin()
        self._relay.start()
        self._stage("mirror", stage="mirror")
        self._stage("shadow", stage="shadow", shadow_percent=Decimal(SHADOW_PERCENT))
        self._stage("canary 10", is_enabled=True, rollout_percent=Decimal(10), shadow_percent=Decimal(0))
        self._kill_inside_handler(self._legacy_workers[0])
        self._stage("canary 50", rollout_percent=Decimal(50))
        self._stage("live", rollout_percent=Decimal(100), holdback_percent=Decimal(2))
        self._emergency()
        self._stage("live again", is_enabled=True, rollout_percent=Decimal(100))
        self._leave_work_in_legacy()
        self._stage("closing", holdback_percent=Decimal(0))
        self._take_over()
        self._complete()
        self._end()

    def _begin(self) -> None:
        for worker in self._workers:
            worker.start()
        self._enter("off", self._switching.change(stage="off", is_enabled=False, rollout_percent=Decimal(0)))
        for producer in self._producers:
            producer.start()
        self._see_stage_through()

    @property
    def _workers(self) -> list[WorkerProcess]:
        return [*self._legacy_workers, *self._supabase_workers]

    def _stage(self, name: str, **changes: object) -> None:
        self._order(Order(len(self.stages)))
        self._enter(name, self._switching.change(**changes))
        self._see_stage_through()

    def _enter(self, name: str, flag: FeatureFlag) -> None:
        self.stages.append(StageRun(name, flag.rollout_percent, _probability(flag), self._relayed))
        self._relayed = self.stages[-1].relayed = Relayed()
        self._order(Order(len(self.stages) - 1, flag.version))
        self._show(f"stage {name}: {float(flag.rollout_percent):g} percent")

    def _see_stage_through(self) -> None:
        stage = len(self.stages) - 1
        self._until(lambda: self._settled(stage) >= self._jobs_per_stage, f"jobs of stage {stage}")

    def _settled(self, stage: int) -> int:
        self.tellings.read()
        return self.tellings.settled(stage)

    def _kill_inside_handler(self, worker: WorkerProcess) -> None:
        worker.hold()
        self._until(lambda: self._inside(worker) > 0, f"{worker.name} to run a handler")
        worker.kill()
        self._show(f"killed {worker.name} with -9 while it ran {self._inside(worker)} handlers")
        worker.let_go()
        worker.start()

    def _inside(self, worker: WorkerProcess) -> int:
        running: set[str] = set()
        for seen in read_witness(self._folder):
            if seen.worker == worker.name and seen.event != "shadow":
                running.add(seen.job_id) if seen.event == "start" else running.discard(seen.job_id)
        return len(running)

    def _emergency(self) -> None:
        killed = self._supabase_workers[0]
        for worker in self._supabase_workers:
            worker.hold()
            self._until(lambda one=worker: self._inside(one) > 0, f"{worker.name} to run a handler")  # type: ignore[misc]
        self._until(lambda: self._switching.waiting_in_supabase() >= BACKLOG, "a backlog in Supabase")
        self._order(Order(len(self.stages)))
        seconds = self._switching.emergency_off()
        waiting = self._switching.waiting_in_supabase()
        self._show(f"emergency UPDATE: {1000 * seconds:.0f} ms, while {waiting} jobs waited in Supabase")
        self._enter("emergency off", self._switching.hand_back())
        killed.kill()
        self._show(f"killed {killed.name} with -9 while it ran {self._inside(killed)} handlers")
        for worker in self._supabase_workers:
            worker.let_go()
        killed.start()
        self._switching.see_hand_back_through()
        self._show("handed back: nothing is left in Supabase, what had started there has ended there")
        self._see_stage_through()
        self._order(Order(len(self.stages) - 1))
        self._switching.change(hand_back="none", drain=False)

    def _leave_work_in_legacy(self) -> None:
        for worker in self._legacy_workers:
            worker.stop()
        self._until(lambda: self.legacy.broker.count().pending > 0, "a job that waits in legacy")

    def _take_over(self) -> None:
        taken_over = self._switching.take_over()
        self._show(f"took over {taken_over} jobs that waited in legacy")
        for worker in self._legacy_workers:
            worker.start()

    def _complete(self) -> None:
        self._enter("complete", self._switching.complete())
        self._see_stage_through()

    def _end(self) -> None:
        self._order(Order(len(self.stages) - 1, stop=True))
        for producer in self._producers:
            producer.wait()
        self.tellings.read()
        self._show(f"no more jobs: waiting for the end of {len(self.tellings.accepted)}")
        unended = set(self.tellings.accepted)
        self._until(lambda: not self._still_unended(unended), "the end of every job")
        self._until(lambda: self._spool.count().records + self._switching.owed() == 0, "the relay")

    def _still_unended(self, unended: set[str]) -> bool:
        records = read_records(self.database, self.legacy, unended)
        unended.difference_update([job_id for job_id in unended if records.of(job_id).has_ended])
        return bool(unended)

    def _order(self, order: Order) -> None:
        order.give(self._folder)

    def _add(self, relayed: Relayed) -> None:
        self._relayed += relayed

    def _check(self) -> None:
        stopped: list[PythonProcess] = [*self._workers, *self._producers]
        for process in stopped:
            if process.has_ended:
                raise SupaqueueError(f"{process.name} ended early: look at its log with --keep FOLDER")


def run_cutover(
    files: Sequence[Path], folder: Path, kind: str, jobs_per_stage: int, show: Show, *, keep: bool = False
) -> tuple[Cutover, Records, float]:
    """Starts everything in a folder, takes every step of the plan, and reads both systems' records.

    Returns:
        What was run, what both systems recorded of the jobs, and the seconds that it took.

    Raises:
        SupaqueueError: the stack does not start, or a step does not come to its end.
    """
    begun = time.monotonic()
    (folder / "files.json").write_text(json.dumps([str(path) for path in files]))
    show("starting Postgres, PostgREST and the gateway")
    stack = Stack(folder / "stack")
    try:
        stack.up()
        Migrator(stack.database_url).apply()
        with legacy_place(kind, folder) as place:
            cutover = Cutover(stack, folder, place, jobs_per_stage, show)
            try:
                cutover.run()
                records = read_records(cutover.database, cutover.legacy, set(cutover.tellings.accepted))
            finally:
                cutover.close()
        return cutover, records, time.monotonic() - begun
    finally:
        stack.down() if keep else stack.remove()


def _probability(flag: FeatureFlag) -> float:
    """With which Supabase owns a new job, by the flag."""
    if flag.stage == "complete":
        return 1.0
    if not flag.is_enabled:
        return 0.0
    return float(min(flag.rollout_percent, 100 - flag.holdback_percent)) / 100
