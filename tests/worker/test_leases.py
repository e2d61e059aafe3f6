"""Leases: kept by heartbeats, let go by a handler that blocks the loop, and lost."""

from __future__ import annotations

import asyncio
import threading
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.types.json import Jsonb

from supaqueue.contract import ClaimJobTasks, HeartbeatJobTasks
from supaqueue.settings import Settings
from supaqueue.telemetry.events import JobFailed, JobSucceeded, LeaseLost, WorkerStalled
from supaqueue.worker import Context, Registry
from tests.faults.proxy import Fault, FaultProxy
from tests.worker.running import OwnQueue
from tests.worker.waiting import until

EXPIRED = "select lease_expires_at < clock_timestamp() from job_tasks where job_id = %s"
LEASE_AGE = "select clock_timestamp() > claimed_at + interval '5 seconds' from job_tasks where job_id = %s"


def take_over(database: psycopg.Connection[Any], queue: OwnQueue, job_id: str) -> None:
    """Let the lease run out and claim the task for another worker, with no heartbeat between the two."""
    with database.transaction():
        database.execute("select from jobs where job_id = %s for no key update", [job_id])
        database.execute(
            "update job_tasks set lease_expires_at = clock_timestamp() - interval '1 s' where job_id = %s",
            [job_id],
        )
        row = database.execute(
            "select claim_job_tasks_v1(request_id => %s, worker_id => 'another', queues => %s,"
            " task_types => array['wait'], want => 1, holding => 0, lease_seconds => 60, marks => %s,"
            " started => %s, contract_version => 1)",
            [str(uuid4()), [queue.name], Jsonb({}), Jsonb([])],
        ).fetchone()
    assert row is not None
    assert [task["job_id"] for task in row[0]["tasks"]] == [job_id]


def test_heartbeats_keep_a_long_task(
    queue: OwnQueue, registry: Registry, database: psycopg.Connection[Any]
) -> None:
    release = threading.Event()
    runs: list[str] = []

    @registry.task("wait")
    async def wait(context: Context) -> None:
        runs.append(context.worker_id)
        while not release.is_set():
            await asyncio.sleep(0.01)

    job_id = queue.enqueue("wait")
    with queue.worker(registry, lease_seconds=2.0), queue.worker(registry, lease_seconds=2.0):
        until(lambda: database.execute(LEASE_AGE, [job_id]).fetchone() == (True,), "twice the lease to pass")
        release.set()
        job = queue.ended(job_id)
    assert job.status == "completed"
    assert (len(runs), job.tasks[0].lost_leases, queue.outcomes(job_id)) == (1, 0, ["done"])


def test_handler_that_blocks_the_loop_is_named_and_loses_its_task(
    queue: OwnQueue, registry: Registry
) -> None:
    release = threading.Event()
    runs: list[str] = []

    @registry.task("block")
    async def block(context: Context) -> str:
        runs.append(context.worker_id)
        if len(runs) == 1:
            release.wait(60)  # blocks the whole loop, as a handler that is async by name only does
        return context.worker_id

    @registry.task("thread")
    def in_thread() -> None:
        release.wait(60)

    beside, job_id = queue.enqueue("thread"), queue.enqueue("block")
    with queue.worker(registry, lease_seconds=2.0, stall_seconds=1.0) as first:
        [stalled] = until(lambda: first.events.of(WorkerStalled), "the stall to be noticed")
        assert (stalled.job_id, stalled.task_type) == (job_id, "block")
        assert stalled.worker_id == first.worker.worker_id
        assert stalled.stalled_seconds >= 1.0
        with queue.worker(registry, lease_seconds=2.0) as second:
            job = queue.ended(job_id)
            assert job.result == second.worker.worker_id
            recorded = queue.job(job_id)
            release.set()
            until(lambda: first.events.of(LeaseLost), "the first worker to hear of it")
            assert queue.ended(beside).status == "completed"
    assert [(event.job_id, event.where) for event in first.events.of(LeaseLost)] in (
        [(job_id, "finish")],
        [(job_id, "heartbeat")],
    )
    assert queue.job(job_id) == recorded
    assert queue.outcomes(job_id) == ["lease_lost", "done"]
    assert queue.outcomes(beside) == ["done"]
    assert len(first.events.of(WorkerStalled)) == 1


def test_lost_lease_cancels_the_handler_and_nothing_is_reported(
    queue: OwnQueue, registry: Registry, database: psycopg.Connection[Any]
) -> None:
    inside, cancelled = threading.Event(), threading.Event()

    @registry.task("wait")
    async def wait() -> str:
        inside.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
        return "must not be recorded"

    job_id = queue.enqueue("wait")
    with queue.worker(registry, lease_seconds=4.0) as running:
        assert inside.wait(30)
        take_over(database, queue, job_id)
        assert cancelled.wait(30)
    assert [(event.job_id, event.where) for event in running.events.of(LeaseLost)] == [(job_id, "heartbeat")]
    assert running.events.of(JobSucceeded) == []
    task = queue.task(job_id)
    assert (task.status, task.worker_id, task.result) == ("claimed", "another", None)
    assert queue.outcomes(job_id) == ["lease_lost"]


def test_lost_lease_of_a_job_that_was_cancelled_before_is_told_once(
    queue: OwnQueue, registry: Registry, database: psycopg.Connection[Any]
) -> None:
    inside, told, release = threading.Event(), threading.Event(), threading.Event()

    @registry.task("wait")
    def wait(context: Context) -> None:
        inside.set()
        until(lambda: context.cancelled, "to be told")
        told.set()
        release.wait(60)

    job_id = queue.enqueue("wait")
    with queue.worker(registry, lease_seconds=2.0) as running:
        assert inside.wait(30)
        queue.client.cancel(job_id)
        assert told.wait(30)
        # Its lease runs out and is ended; the job being cancelled, nobody gets it.
        with database.transaction():
            database.execute("select from jobs where job_id = %s for no key update", [job_id])
            database.execute("update job_tasks set lease_token = lease_token + 1 where job_id = %s", [job_id])
        until(lambda: running.events.of(LeaseLost), "the lost lease")
        release.set()
    assert [event.where for event in running.events.of(LeaseLost)] == ["heartbeat"]


def test_worker_renews_before_it_claims_after_an_outage(
    queue: OwnQueue,
    registry: Registry,
    database: psycopg.Connection[Any],
    proxy: FaultProxy,
    settings_through_proxy: Settings,
) -> None:
    """A claim rescues whatever has expired: made before the heartbeat it would take the worker's own task."""
    release, inside = threading.Event(), threading.Event()

    @registry.task("wait")
    def wait() -> None:
        inside.set()
        release.wait(70)  # longer than the test waits for anything

    job_id = queue.enqueue("wait")
    with queue.worker(registry, settings=settings_through_proxy, lease_seconds=2.0) as running:
        assert inside.wait(30)
        proxy.expect_always(HeartbeatJobTasks.function, Fault.ANSWER_503)
        until(lambda: database.execute(EXPIRED, [job_id]).fetchone() == (True,), "the lease to run out")
        claims = proxy.seen[ClaimJobTasks.function]
        later = queue.enqueue("wait")
        beats = proxy.seen[HeartbeatJobTasks.function]
        until(lambda: proxy.seen[HeartbeatJobTasks.function] > beats + 1, "two heartbeats that fail")
        assert proxy.seen[ClaimJobTasks.function] == claims
        proxy.expect(HeartbeatJobTasks.function)
        until(lambda: queue.task(later).status == "processing", "the next claim, after the renewal")
        release.set()
        assert queue.ended(job_id).status == "completed"
    assert queue.outcomes(job_id) == ["done"]
    assert running.events.of(LeaseLost) == []


def test_task_that_a_rescue_fails_is_told_to_telemetry(
    queue: OwnQueue, registry: Registry, database: psycopg.Connection[Any]
) -> None:
    @registry.task("wait")
    async def wait() -> None:
        raise AssertionError("its only attempt was spent by the worker that died")

    job_id = queue.enqueue("wait", max_attempts=1)
    row = database.execute(
        "select claim_job_tasks_v1(request_id => %s, worker_id => 'dead', queues => %s,"
        " task_types => array['wait'], want => 1, holding => 0, lease_seconds => 1, marks => %s,"
        " started => %s, contract_version => 1)",
        [str(uuid4()), [queue.name], Jsonb({}), Jsonb([])],
    ).fetchone()
    assert row is not None
    [task] = row[0]["tasks"]
    start = [{key: task[key] for key in ("job_id", "task_number", "lease_token")}]
    database.execute(
        "select heartbeat_job_tasks_v1(worker_id => 'dead', tasks => %s, started => %s, lease_seconds => 1,"
        " contract_version => 1)",
        [Jsonb(start), Jsonb(start)],
    )
    with queue.worker(registry) as running:
        [failed] = until(lambda: running.events.of(JobFailed), "the rescue to be told")
        assert (failed.job_id, failed.task_type, failed.queue) == (job_id, "wait", queue.name)
        assert (failed.error_type, failed.attempt) == ("LeaseLost", 1)
        assert failed.worker_id == running.worker.worker_id
    assert queue.task(job_id).status == "failed"
    assert len(running.events.of(JobFailed)) == 1
