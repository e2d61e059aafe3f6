"""The shipped checks: verify_jobs.sql sees each kind of damage, resync_job_counters.sql mends counters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.sql.calls import Calls, Worker, endings, expire, leases, pass_deadline
from tests.sql.checks import failed_checks, resync
from tests.sql.flags import record, set_flag
from tests.sql.sessions import blocked

Connect = Callable[[], psycopg.Connection[Any]]

COUNTERS = [
    "update jobs set active_tasks = active_tasks + 1",
    "update jobs set unfinished_tasks = unfinished_tasks + 1",
    "update jobs set failed_tasks = failed_tasks + 1",
    "update jobs set cancelled_tasks = cancelled_tasks + 1",
    "update jobs set task_count = task_count + 1",
    "update jobs set status = case status when 'failed' then 'completed' else 'failed' end",
    "update jobs set finished_at = case when finished_at is null then now() end",
]
DAMAGE = [
    *COUNTERS,
    "update jobs set bucket = (bucket + 1) % 9999",
    "update jobs set content_hash = null, abandoned_at = null",
    "delete from job_tasks",
    "update job_tasks set worker_id = null where status in ('claimed', 'processing')",
    "update job_tasks set worker_id = 'w' where status = 'pending'",
    "update job_tasks set lease_expires_at = null where status in ('claimed', 'processing')",
    "update job_tasks set finished_at = null where status = 'completed'",
    "update job_tasks set finished_at = now() where status = 'pending'",
    "update job_tasks set started_at = null where status = 'processing'",
    "update job_tasks set started_at = now() where status = 'pending'",
    "update job_tasks set position = 1 where status = 'completed'",
    "update job_tasks set position = 1 where status in ('pending', 'claimed')",
    "update job_tasks set position = 1000000 where status = 'pending'",
    "update job_tasks set attempts = attempts + 1",
    "update job_tasks set attempts = 1001",
    "update job_tasks set lost_leases = lost_leases + 1",
    "update job_tasks set lease_token = lease_token + 1",
    "delete from job_task_attempts where status_after = 'completed'",
    "delete from job_task_attempts where status_after = 'failed'",
    "update job_tasks set parked = true where status = 'pending'",
    "update job_tasks set deadline_at = claimed_at - interval '1 s' where status = 'processing'",
    "update job_tasks set replayed_lease_token = null",
    "update job_tasks set replayed_lease_token = lease_token where status = 'failed'",
    "delete from job_task_attempts where outcome = 'lease_lost'",
    "update job_task_attempts set attempt = 1",
    "update job_task_attempts set status_after = 'completed' where status_after = 'pending'",
    "update job_task_attempts set status_after = 'failed' where status_after = 'completed'",
    "update jobs set owner = 'legacy' where status = 'pending'",
    "update jobs set owner = 'supabase' where status = 'mirrored'",
    "update job_tasks set status = 'pending' where status = 'mirrored'",
    "update job_tasks set status = 'mirrored' where status = 'pending' and purpose = 'run'",
    "update jobs set mirror_state = 'due' where owner = 'legacy'",
    "update jobs set mirror_state = 'end_due' where owner = 'legacy' and owner_ended_at is null",
    "update jobs set mirror_state = 'release_due' where owner = 'supabase'",
    "update jobs set mirror_state = 'written' where owner = 'supabase' and status = 'completed'",
    "update jobs set mirror_state = 'settled' where owner = 'supabase' and status = 'pending'",
    "update jobs set epoch = 0 where mirror_state = 'release_due'",
    "update jobs set mirror_state = 'takeover_due' where owner_ended_at is not null",
    "update jobs set owner_outcome = '{}' where owner = 'legacy' and owner_ended_at is null",
    "update jobs set owner_outcome = null where owner_ended_at is not null",
    "update jobs set legacy_started_at = now() where owner = 'supabase'",
    "update jobs set held = true where owner = 'legacy'",
    "update job_tasks set attempts = 2 where purpose = 'shadow'",
]


@pytest.fixture
def lived_in(calls: Calls, worker: Worker, queue_name: str) -> Calls:
    """A database with a task in every state, and every kind of past."""
    calls.enqueue_new(queue_name, 10, max_attempts=3)
    tasks = worker.claim(10)
    worker.heartbeat(tasks, started=tasks[:6])
    outcomes = ["done", "fail", "cancel", "snooze", "not_started"]
    worker.finish([end for n, outcome in enumerate(outcomes) for end in endings(tasks[n : n + 1], outcome)])
    worker.finish(endings(tasks[5:6], "retry", after_seconds=0))
    [again] = [task for task in worker.claim(3) if task["attempt"] == 2]
    worker.finish(endings([again], "done"))
    expire(calls.connection, tasks[6:8])
    worker.look_again_for_expired()
    worker.claim(1)
    calls.cancel(*calls.enqueue_new(queue_name))
    calls.enqueue_new(queue_name, 2)
    calls.enqueue_new(queue_name, delay_seconds=600)
    running = worker.claim(1)
    worker.heartbeat(running, started=running)
    late = calls.enqueue_new(queue_name, deadline_seconds=60)
    pass_deadline(calls.connection, late)
    worker.look_again_for_deadlines()
    worker.claim(0)
    calls.enqueue_new(queue_name)
    [again] = worker.claim(1)
    worker.finish(endings([again], "fail"))
    calls.replay(*leases([again]))
    leave_mirrors(calls, worker)
    assert failed_checks(calls.connection) == []
    return calls


def leave_mirrors(calls: Calls, worker: Worker) -> None:
    """Jobs of a cutover: Supabase's with copies, ended and waiting, and legacy's, ended, handed over, not."""
    set_flag(calls.connection, stage="live", relays_unrouted=True)
    calls.enqueue_new("cutover", 2)
    ending = Worker(calls.connection, queues=["cutover"])
    ending.finish(endings(ending.claim(1), "done"))
    ended, _ = calls.enqueue_new("cutover", 2, owner="legacy")
    record(calls, ended, 0)
    set_flag(calls.connection, is_enabled=False, rollout_percent=0, shadow_percent=100)
    calls.enqueue_new("cutover")


@pytest.mark.parametrize("statement", DAMAGE)
def test_damage_is_seen(lived_in: Calls, statement: str) -> None:
    connection = lived_in.connection
    connection.execute("begin")
    connection.execute("alter table jobs drop constraint jobs_named_unless_abandoned")
    assert connection.execute(statement.encode()).rowcount > 0
    assert failed_checks(connection) != []
    connection.execute("rollback")


@pytest.mark.parametrize("statement", COUNTERS)
def test_counters_and_status_are_mended(lived_in: Calls, statement: str) -> None:
    before = lived_in.connection.execute("select * from jobs order by job_id").fetchall()
    lived_in.connection.execute(f"{statement} where queue like 'q-%'".encode())
    damaged = failed_checks(lived_in.connection)
    assert damaged
    assert resync(lived_in.connection) > 0
    assert failed_checks(lived_in.connection) == []
    if "finished_at" not in statement:
        assert lived_in.connection.execute("select * from jobs order by job_id").fetchall() == before
    assert resync(lived_in.connection) == 0


def test_a_sound_queue_is_left_alone(lived_in: Calls) -> None:
    before = lived_in.connection.execute("select xmin, * from jobs order by job_id").fetchall()
    assert resync(lived_in.connection) == 0
    assert lived_in.connection.execute("select xmin, * from jobs order by job_id").fetchall() == before


def test_mending_waits_for_a_finish_and_counts_what_it_did(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    held = worker.claim()
    calls.connection.execute("update jobs set active_tasks = 7")
    mender = connect()
    worker.connection.execute("begin")
    worker.finish(endings(held, "done"))
    with blocked(lambda: resync(mender), mender, calls.connection) as mended:
        worker.connection.execute("commit")
    assert mended.result() == 1
    assert (calls.status(job_id), calls.value("select active_tasks from jobs")) == ("completed", 0)
