"""Everything that runs in the demo's cutover, and the steps that all of its courses are made of."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import psycopg

from supaqueue.cli.demo.cutover.injection import Injection
from supaqueue.cli.demo.cutover.legacy import open_legacy
from supaqueue.cli.demo.cutover.order import Order, Tellings
from supaqueue.cli.demo.cutover.processes import (
    PythonProcess,
    WorkerProcess,
    legacy_workers,
    producers,
    supabase_workers,
)
from supaqueue.cli.demo.cutover.records import read_records
from supaqueue.cli.demo.cutover.stage_run import StageRun, probability_of
from supaqueue.cli.demo.cutover.switching import Switching, Until, until
from supaqueue.cli.demo.cutover.witness import read_witness
from supaqueue.contract import FeatureFlag
from supaqueue.cutover.relay import Relay
from supaqueue.cutover.relay_loop import RelayLoop
from supaqueue.cutover.relayed import Relayed
from supaqueue.cutover.spool import Spool
from supaqueue.devstack import Stack
from supaqueue.errors import SupaqueueError
from supaqueue.settings import Settings
from supaqueue.transport import RestTransport

WORKERS = 2
PRODUCERS = 2
JOBS_PER_STAGE = 150
"""How many must have been placed by a stage's flag before the next one."""
BACKLOG = 20
"""Jobs that wait in Supabase when the emergency comes, so that there is something to hand back."""

Show = Callable[[str], None]


class Site:
    """Producers, workers of both systems and a relay at work on one stack.

    Args:
        folder: for the logs, the witness and the spool.
        place: of the old queue, as `open_legacy` takes it.
        show: told what is going on.
        injection: what can be broken in Supabase's workers.

    Attributes:
        stages: as they went until now.
        until: waits for a condition, while everything runs that should.
    """

    def __init__(
        self, stack: Stack, folder: Path, place: str, show: Show, injection: Injection | None = None
    ) -> None:
        self.stages: list[StageRun] = []
        self.legacy = open_legacy(place)
        self.tellings = Tellings(folder)
        self.show = show
        self.until: Until = until(self._check)
        self._folder = folder
        self._supabase_workers = supabase_workers(stack, folder, WORKERS, injection)
        self._legacy_workers = legacy_workers(stack, folder, place, WORKERS, injection)
        self._producers = producers(stack, folder, place, PRODUCERS)
        self._others: list[PythonProcess] = []
        self._relayed = Relayed()
        self._ordered = Order(0)
        self._open = ExitStack()
        self.database = self._open.enter_context(psycopg.connect(stack.database_url, autocommit=True))
        self.transport = self._open.enter_context(
            RestTransport(Settings(url=stack.url, service_role_key=stack.service_role_key))
        )
        self._spool = Spool(folder / "spool")
        self.switching = Switching(self.transport, self.legacy, self.database, self.until)
        relay = Relay(self.transport, self.legacy, self._spool)
        self._relay = RelayLoop(relay, self.transport, self._add)

    def stop(self) -> None:
        """Stop all that runs."""
        self._relay.stop(5.0)
        for process in (*self._others, *self._producers, *self._workers):
            process.stop()

    def close(self) -> None:
        """Give back connections."""
        self._open.close()
        self.legacy.close()

    def begin(self, *, holdback_percent: Decimal) -> None:
        """Start everything, with all jobs legacy's."""
        for worker in self._workers:
            worker.start()
        self._relay.start()
        flag = self.switching.change(
            stage="off", is_enabled=False, rollout_percent=Decimal(0), holdback_percent=holdback_percent
        )
        self.enter("off", flag)
        for producer in self._producers:
            producer.start()
        self.see_stage_through()

    def start_beside(self, process: PythonProcess) -> None:
        """Start a process that is to run to the end."""
        process.start()
        self._others.append(process)

    def stage(self, name: str, **changes: object) -> None:
        """Change the flag, and see so many jobs placed by it."""
        self._order(Order(len(self.stages)))
        self.enter(name, self.switching.change(**changes))
        self.see_stage_through()

    def enter(self, name: str, flag: FeatureFlag) -> None:
        """Let a stage begin: the flag stands like this now."""
        self.stages.append(StageRun(name, flag.rollout_percent, probability_of(flag), self._relayed))
        self._relayed = self.stages[-1].relayed = Relayed()
        self._order(Order(len(self.stages) - 1, flag.version))
        self.show(f"stage {name}: {float(flag.rollout_percent):g} percent")

    def let_some_wait(self, seconds: float, *, is_slow: bool) -> None:
        """Have one job in seven be due only later, so that at each moment some have not started.

        Args:
            is_slow: whether jobs come slowly from now on, until the next stage.
        """
        self._order(replace(self._ordered, later_seconds=seconds, is_slow=is_slow))

    def see_stage_through(self) -> None:
        """Wait until enough jobs were placed by the present stage's flag."""
        stage = len(self.stages) - 1
        self.until(lambda: self._settled(stage) >= JOBS_PER_STAGE, f"jobs of stage {stage}")

    def kill_legacy_worker(self) -> None:
        """Kill one of legacy's workers inside its handlers, and start it again."""
        worker = self._legacy_workers[0]
        worker.hold()
        self.until(lambda: self._inside(worker) > 0, f"{worker.name} to run a handler")
        worker.kill()
        self.show(f"killed {worker.name} with -9 while it ran {self._inside(worker)} handlers")
        worker.let_go()
        worker.start()

    def emergency(self) -> None:
        """Do the emergency UPDATE, with a backlog in Supabase and a worker killed, and see all go back."""
        killed = self._supabase_workers[0]
        for worker in self._supabase_workers:
            worker.hold()
            self.until(lambda one=worker: self._inside(one) > 0, f"{worker.name} to run a handler")  # type: ignore[misc]
        self.until(lambda: self.switching.waiting_in_supabase() >= BACKLOG, "a backlog in Supabase")
        self._order(Order(len(self.stages)))
        seconds = self.switching.emergency_off()
        waiting = self.switching.waiting_in_supabase()
        self.show(f"emergency UPDATE: {1000 * seconds:.0f} ms, while {waiting} jobs waited in Supabase")
        self.enter("emergency off", self.switching.hand_back())
        killed.kill()
        self.show(f"killed {killed.name} with -9 while it ran {self._inside(killed)} handlers")
        for worker in self._supabase_workers:
            worker.let_go()
        killed.start()
        self.switching.see_hand_back_through()
        self.show("handed back: nothing is left in Supabase, what had started there has ended there")
        self.see_stage_through()
        self._order(Order(len(self.stages) - 1))
        self.switching.change(hand_back="none", drain=False)

    def leave_legacy(self) -> None:
        """Let legacy have no new job, take over what waits there, and close the cutover."""
        for worker in self._legacy_workers:
            worker.stop()
        self.until(lambda: self.legacy.broker.count().pending > 0, "a job that waits in legacy")
        self.stage("closing", holdback_percent=Decimal(0))
        taken_over = self.switching.take_over()
        self.show(f"took over {taken_over} jobs that waited in legacy")
        for worker in self._legacy_workers:
            worker.start()
        self.enter("complete", self.switching.complete())
        self.see_stage_through()

    def end(self) -> None:
        """Let no more jobs come, and wait for the end of all."""
        self._order(Order(len(self.stages) - 1, stop=True))
        for producer in self._producers:
            producer.wait()
        self.tellings.read()
        self.show(f"no more jobs: waiting for the end of {len(self.tellings.accepted)}")
        unended = set(self.tellings.accepted)
        self.until(lambda: not self._still_unended(unended), "the end of every job")
        self.until(lambda: self._spool.count().records + self.switching.owed() == 0, "the relay")

    @property
    def _workers(self) -> list[WorkerProcess]:
        return [*self._legacy_workers, *self._supabase_workers]

    def _settled(self, stage: int) -> int:
        self.tellings.read()
        return self.tellings.settled(stage)

    def _inside(self, worker: WorkerProcess) -> int:
        running: set[str] = set()
        for seen in read_witness(self._folder):
            if seen.worker == worker.name and seen.event != "shadow":
                running.add(seen.job_id) if seen.event == "start" else running.discard(seen.job_id)
        return len(running)

    def _still_unended(self, unended: set[str]) -> bool:
        records = read_records(self.database, self.legacy, unended)
        unended.difference_update([job_id for job_id in unended if records.of(job_id).has_ended])
        return bool(unended)

    def _order(self, order: Order) -> None:
        self._ordered = order
        order.give(self._folder)

    def _add(self, relayed: Relayed) -> None:
        self._relayed += relayed

    def _check(self) -> None:
        for process in (*self._others, *self._workers, *self._producers):
            if process.has_ended:
                raise SupaqueueError(f"{process.name} ended early: look at its log with --keep FOLDER")
