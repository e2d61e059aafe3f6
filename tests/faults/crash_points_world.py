"""What is around the process that is killed: it prepares, starts the rest again, and judges."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from supaqueue.contract import NewJob
from supaqueue.cutover.guard import Guard
from supaqueue.cutover.legacy.folder_worker import FolderWorker
from supaqueue.cutover.rollout import Rollout
from supaqueue.cutover.switches import Switches
from supaqueue.job_id import bucket_of
from supaqueue.worker import Worker
from tests.cutover.processes import LegacyProcess, legacy_process
from tests.cutover.world import World
from tests.faults.crash_points_child import PatientQueue, Plan, Weather, perform
from tests.faults.crash_points_ground import TASK_TYPE, Ground
from tests.forked import forkserver
from tests.worker.running import KeptEvents, WorkerThread
from tests.worker.waiting import DEADLINE_SECONDS, until

UNNAMED = "without a stamp"
EXPIRE = "update job_tasks set lease_expires_at = clock_timestamp() where lease_expires_at is not null"
WAITING = """select count(*) from jobs where owner = 'supabase' and status in ('pending', 'processing')
    or mirror_state in ('due', 'end_due', 'release_due', 'takeover_due')"""


@dataclass
class Clock:
    """The folder's time, which a test can move."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC) + self.ahead


@dataclass
class Scene:
    """One test's ground, its world, and what the killed process left."""

    ground: Ground
    world: World
    clock: Clock
    killed: int | None = None
    told: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)

    def new_job(self, bucket_from: int, bucket_to: int, key: str | None = None) -> NewJob:
        """Return a job as an API makes it, whose id is of one of these buckets."""
        while True:
            job = NewJob(TASK_TYPE, {"n": 1}, queue=self.ground.queue_name, idempotency_key=key)
            if bucket_from <= bucket_of(job.job_id) < bucket_to:
                return job
            key = key and f"{key}'"

    @property
    def router(self) -> PatientQueue:
        """An API that was started again."""
        rollout = Rollout(self.world.transport, first_wait_seconds=60.0)
        rollout.refresh()
        return PatientQueue(
            self.world.legacy,
            transport=self.world.transport,
            rollout=rollout,
            switches=Switches(),
            spool=self.world.spool,
        )

    def perform(
        self, operation: str, job: NewJob, point: str | None, weather: Weather, last: str | None
    ) -> None:
        """Let a process do an operation, and end at a point; `last`: see `Scenario`."""
        log, told = self.ground.root / "writes", self.ground.root / "told"
        plan = Plan(self.ground, operation, job, point, weather, log, told)
        process = forkserver.Process(target=perform, args=(plan,))
        process.start()
        if last is not None:
            until(lambda: process.exitcode is not None or last in _lines(log), f"{last} of {operation}")
            process.kill()
        process.join(DEADLINE_SECONDS)
        assert process.exitcode is not None, f"{operation} does not end"
        self.killed, self.told, self.writes = process.exitcode, _lines(told), _lines(log)

    def put_unstamped(self, task_type: str, number: int = 1, run_at: datetime | None = None) -> NewJob:
        """Send a message around the router; the job that stands for it is what `named` returns."""
        job = NewJob(task_type, {"n": number}, queue=self.ground.queue_name, run_at=run_at, tags=[UNNAMED])
        if self.ground.kind == "folder":
            text = json.dumps({"task_type": job.task_type, "payload": job.payload, "queue": job.queue})
            due = f"{round(run_at.timestamp() * 1e6):018d}.1.u." if run_at else ""
            path = self.ground.root / "legacy" / "pending" / f"{due}foreign-{number}.json"
            path.with_suffix(".tmp").write_text(text)
            path.with_suffix(".tmp").rename(path)
        else:
            from tests.faults.crash_points_brokers import send_around_the_router

            send_around_the_router(self.ground, job)
        return job

    def named(self, job: NewJob) -> NewJob:
        """Return the job that a message without a stamp stands for, while that waits; others as they are."""
        if UNNAMED not in job.tags:
            return job
        [found] = self.world.legacy.broker.unstamped()
        assert found.job is not None, found
        return found.job

    def kill_worker(self, point: str) -> None:
        """Let a worker of a legacy queue in Redis end at a point; RQ's lives on, its child dies."""
        ended = self.ground.root / "ended"
        with self._legacy_process(point):
            until(ended.exists, f"a worker that ends {point}; writes: {_lines(self.ground.root / 'writes')}")
            if self.ground.kind == "rq":
                self.rest(with_legacy=False)

    def written(self) -> list[str]:
        """The writes of all processes that count them."""
        return _lines(self.ground.root / "writes")

    def runs(self, job: NewJob) -> list[str]:
        """Which systems began the job's handler, run by run."""
        lines = [line.split() for line in _lines(self.ground.witness)]
        return [system for job_id, system, _ in lines if job_id == job.job_id]

    def recorded(self, job: NewJob) -> tuple[str | None, str | None]:
        """How the job ended, as Supabase has it and as legacy does."""
        row = self.world.database.execute(
            "select case when owner = 'supabase' then status else owner_outcome ->> 'status' end"
            " from jobs where job_id = %s",
            [job.job_id],
        ).fetchone()
        entry = self.world.entry(job)
        there = str(row[0]) if row and row[0] in ("completed", "failed", "cancelled") else None
        return there, entry.ending.status if entry and entry.ending else None

    def rest(self, *, with_legacy: bool = True) -> None:
        """Start the relay and the workers of both systems, and return when nothing is left to be done."""
        self.world.database.execute(EXPIRE)
        with self.legacy_worker() if with_legacy else nullcontext(), self.supabase_worker():
            # Twice: what moves between two folders may be seen in neither.
            until(lambda: self._is_at_rest() and self._is_at_rest(), "rest")

    def _is_at_rest(self) -> bool:
        relay = self.world.relay
        done = relay.send_spooled()
        done += relay.hand_back()
        done += relay.turn()
        if not done and not self._waits():
            return True
        self.clock.ahead += timedelta(hours=1)
        return False

    def _waits(self) -> bool:
        [waiting] = self.world.database.execute(WAITING).fetchone() or [0]
        counts = self.world.legacy.broker.count()
        index = self.world.legacy.index.count()
        return bool(
            waiting
            or any(True for _ in self.world.legacy.broker.waiting())
            or counts.leased
            or index.unsent_endings
            or self.world.spool.count().records
        )

    @contextmanager
    def legacy_worker(self) -> Iterator[None]:
        """A worker of the legacy queue."""
        if self.ground.kind != "folder":
            with self._legacy_process(None):
                yield
            return
        broker: Any = self.world.legacy.broker
        guard: Guard = self.world.guard
        worker = FolderWorker(self.ground.registry("legacy"), broker, guard, concurrency=1, poll_seconds=0.02)
        thread = threading.Thread(target=worker.run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            worker.stop()
            thread.join(DEADLINE_SECONDS)

    def _legacy_process(self, point: str | None) -> AbstractContextManager[LegacyProcess]:
        from tests.faults.crash_points_brokers import worker_environment, worker_words

        ground = self.ground
        log = ground.root / f"worker-{point is None}.log"
        return legacy_process(worker_words(ground), ground.broker_url, log, worker_environment(ground, point))

    @contextmanager
    def supabase_worker(self) -> Iterator[None]:
        """A worker of Supabase's."""
        worker = Worker(
            self.ground.registry("supabase"),
            self.ground.settings,
            queues=[self.ground.queue_name],
            concurrency=1,
        )
        with WorkerThread(worker, KeptEvents()):
            yield


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
