"""Both systems for one test: a real stack, a legacy queue, and what moves between them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psycopg

from supaqueue.client import Queue
from supaqueue.contract import (
    ChangeFeatureFlag,
    EnqueueJobs,
    FeatureFlag,
    FlagChange,
    NewJob,
)
from supaqueue.cutover.guard import Admission, Guard
from supaqueue.cutover.legacy.entry import Ending, Entry
from supaqueue.cutover.legacy.folder import folder_queue
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.relay import Relay
from supaqueue.cutover.spool import Spool
from supaqueue.cutover.stamp import Stamp
from supaqueue.cutover.supabase_starts import StartsInSupabase
from supaqueue.settings import Settings
from supaqueue.transport import RestTransport, Transport
from tests.sql.calls import Worker

TABLES = (
    "jobs, job_tasks, job_task_attempts, job_claims, job_workers, job_task_types, job_queues, job_changes,"
    " job_hand_backs, job_hand_back_places, job_leases, job_repairs, job_cohorts, job_cohort_marks,"
    " job_backlogs, job_probes, job_worker_calls,"
    " feature_flag_changes, rollout_steps, rollout_evidence, rollout_notices"
)


def begin_anew(database: psycopg.Connection[Any]) -> None:
    """Empty the tables, and set the flag to what a migration leaves: no cutover."""
    with database.transaction():
        database.execute("set local session_replication_role = replica")
        database.execute(f"truncate {TABLES}".encode())
        database.execute("delete from feature_flag where flag_name <> 'supabase_queue'")
        database.execute(
            "update feature_flag set stage = 'complete', is_enabled = true, rollout_percent = 100,"
            " holdback_percent = 0, shadow_percent = 0, by_environment = false, routes_by_tenant = false,"
            " relays_unrouted = false, supabase_tenants = '{}', legacy_tenants = '{}', hand_back = 'none',"
            " drain = false, raised_at = null, latched_at = null, latch_reason = null"
        )


@dataclass
class World:
    """One test's two systems. `settings` say where Supabase is, `database` sees every row.

    `legacy_file` is where legacy's index lies, if that is a file.
    """

    settings: Settings
    database: psycopg.Connection[Any]
    transport: Transport
    legacy: LegacyQueue
    spool: Spool
    queue_name: str = "q"
    task_type: str = "count"
    legacy_file: Path | None = None

    @classmethod
    def at(cls, settings: Settings, database: psycopg.Connection[Any], folder: Path) -> World:
        """Return a world whose legacy queue is a folder."""
        legacy = folder_queue(folder / "legacy")
        file = folder / "legacy" / "index.sqlite"
        spool = Spool(folder / "spool")
        return cls(settings, database, RestTransport(settings), legacy, spool, legacy_file=file)

    @property
    def client(self) -> Queue:
        """A client of Supabase's."""
        return Queue(transport=self.transport)

    @property
    def relay(self) -> Relay:
        """A relay, as if just started."""
        return Relay(self.transport, self.legacy, self.spool)

    @property
    def worker(self) -> Worker:
        """A worker of Supabase's, in the database's own terms."""
        return Worker(self.database, queues=[self.queue_name], task_types=[self.task_type])

    @property
    def guard(self) -> Guard:
        """A guard of a legacy worker."""
        return Guard(self.legacy.index, start_in_supabase=StartsInSupabase(self.transport))

    def change(self, task_type: str | None = None, **changes: Any) -> FeatureFlag:
        """Change a flag."""
        return self.transport.send(
            ChangeFeatureFlag(FlagChange(**changes), changed_by="test", task_type=task_type)  # type: ignore[typeddict-item]
        )

    def go_to(self, percent: float, **changes: Any) -> FeatureFlag:
        """Step through the stages of a cutover, as far as this percent."""
        self.change(stage="off", is_enabled=False, rollout_percent=0, holdback_percent=0)
        flag = self.change(stage="mirror")
        if percent == 100:
            self.change(is_enabled=True, rollout_percent=50)
        if percent:
            flag = self.change(is_enabled=True, rollout_percent=percent, **changes)
        return flag

    def new_job(self, owner: Literal["supabase", "legacy"], **options: Any) -> NewJob:
        """Return a job that was placed."""
        payload = options.pop("payload", {"n": 1})
        job = NewJob(self.task_type, payload, queue=self.queue_name, **options)
        job.place(owner)
        return job

    def enqueue(self, *jobs: NewJob) -> list[str]:
        """Store jobs in Supabase, and return the answers."""
        return [answer.answer for answer in self.transport.send(EnqueueJobs(jobs))]

    def accept(self, *jobs: NewJob) -> list[str]:
        """Accept jobs as the router does for legacy: mirror first, then the legacy queue."""
        self.enqueue(*jobs)
        return [answer.answer for answer in self.legacy.enqueue(jobs)]

    def entry(self, job: NewJob) -> Entry | None:
        """Return what legacy knows of a job."""
        return self.legacy.get([job.job_id])[0]

    def row(self, job: NewJob, *columns: str) -> tuple[Any, ...]:
        """Return columns of a job's row."""
        query = f"select {', '.join(columns)} from jobs where job_id = %s"
        found = self.database.execute(query.encode(), [job.job_id]).fetchone()
        assert found is not None
        return tuple(found)

    def run_in_legacy(self, job: NewJob, epoch: int = 0, result: Any = "done") -> Admission:
        """Do as a legacy worker does that got a message of this job."""
        admission = self.guard.admit(Stamp(job.job_id, epoch), job.task_type)
        if admission.run is not None:
            with admission.run as run:
                run.finish(Ending("completed", result))
        return admission

    def published(self) -> set[tuple[str, int]]:
        """Return the stamps of what waits in legacy's broker."""
        stamps = [waiting.stamp for waiting in self.legacy.broker.waiting()]
        return {(stamp.job_id, stamp.epoch) for stamp in stamps if stamp is not None}
