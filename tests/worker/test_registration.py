"""What the database knows of workers, and the events that it has to agree with."""

from __future__ import annotations

import os
import random
import socket
from collections import Counter
from typing import Any

import psycopg
import pytest

from supaqueue.contract import Unserved
from supaqueue.errors import AccessDenied, ConfigurationError
from supaqueue.outcome import Cancel, Done, Fail, Retry, Snooze
from supaqueue.settings import Settings
from supaqueue.telemetry.events import JobFailed, JobRetried, JobStarted, JobSucceeded
from supaqueue.worker import Context, Registry, Worker
from tests.worker.running import OwnQueue
from tests.worker.waiting import until


def test_worker_is_known_while_it_runs_and_what_nobody_serves_is_told(
    queue: OwnQueue, registry: Registry, database: psycopg.Connection[Any]
) -> None:
    registry.task("served")(lambda: None)
    queue.enqueue("unserved")
    queue.enqueue("served", delay=3600)
    assert {unserved.task_type for unserved in queue.client.stats(queue.name).unserved} == {
        "served",
        "unserved",
    }
    with queue.worker(registry, concurrency=3) as running:
        worker_id = running.worker.worker_id
        [seen] = until(
            lambda: [one for one in queue.client.stats().workers if one.worker_id == worker_id], "the worker"
        )
        assert (seen.queues, seen.concurrency) == ((queue.name,), 3)
        assert seen.task_types == ("served", "supaqueue.probe")
        assert (seen.host, seen.process_id) == (socket.gethostname(), os.getpid())
        assert queue.client.stats(queue.name).unserved == (Unserved(queue.name, "unserved", 1),)
    stats = queue.client.stats(queue.name)
    assert worker_id not in {one.worker_id for one in stats.workers}
    assert {unserved.task_type for unserved in stats.unserved} == {"served", "unserved"}
    row = database.execute("select stopped_at is not null from job_workers where worker_id = %s", [worker_id])
    assert row.fetchone() == (True,)


def test_idle_worker_with_a_long_lease_is_seen_all_the_same(
    queue: OwnQueue, registry: Registry, database: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A heartbeat says that the worker is alive: it must not be as rare as a long lease would allow."""
    monkeypatch.setattr("supaqueue.worker.worker.HEARTBEAT_SECONDS", 0.2)
    registry.task("work")(lambda: None)
    last_seen = "select last_seen_at > started_at from job_workers where worker_id = %s"
    with queue.worker(registry, lease_seconds=86400.0) as running:
        until(
            lambda: database.execute(last_seen, [running.worker.worker_id]).fetchone() == (True,),
            "a heartbeat of an idle worker",
        )


def test_events_agree_with_what_the_database_recorded(
    queue: OwnQueue, registry: Registry, database: psycopg.Connection[Any]
) -> None:
    random_outcome = random.Random(7)

    @registry.task("mixed")
    async def mixed(context: Context) -> Any:
        outcomes = [Done(1), Retry(after=0), Snooze(0), Cancel("no"), Fail("no"), ValueError("no")]
        outcome = random_outcome.choice(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    jobs = [{"task_type": "mixed", "queue": queue.name, "max_attempts": 3, "backoff": 0}] * 200
    job_ids = [answer.job_id for answer in queue.client.enqueue_many(jobs)]
    with queue.worker(registry, concurrency=8) as running:
        for job_id in job_ids:
            queue.ended(job_id)
    recorded = Counter(
        database.execute(
            "select outcome, status_after from job_task_attempts where job_id = any (%s::uuid[])", [job_ids]
        ).fetchall()
    )
    events = running.events
    assert len(events.of(JobStarted)) == recorded.total()
    assert len(events.of(JobSucceeded)) == recorded["done", "completed"]
    assert len(events.of(JobRetried)) == recorded["retry", "pending"]
    assert len(events.of(JobFailed)) == recorded["fail", "failed"] + recorded["retry", "failed"]
    assert min(recorded.values()) > 0
    assert set(recorded) == {
        ("done", "completed"),
        ("retry", "pending"),
        ("retry", "failed"),
        ("fail", "failed"),
        ("snooze", "pending"),
        ("cancel", "cancelled"),
    }


def test_wrong_key_ends_the_worker_at_its_start(queue: OwnQueue, registry: Registry) -> None:
    registry.task("work")(lambda: None)
    settings = Settings(url=queue.settings.url, service_role_key="wrong")
    running = queue.worker(registry, settings=settings)
    with pytest.raises(AccessDenied), running:
        running.wait_until_stopped()


@pytest.mark.parametrize(
    "options",
    [{"queues": []}, {"queues": "a"}, {"queues": [""]}, {"concurrency": 0}, {"lease_seconds": 0.5}],
    ids=str,
)
def test_senseless_options_are_refused(options: dict[str, Any], queue: OwnQueue, registry: Registry) -> None:
    registry.task("work")(lambda: None)
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Worker(registry, queue.settings, **options)


def test_empty_registry_is_refused(queue: OwnQueue, registry: Registry) -> None:
    with pytest.raises(ConfigurationError, match="no handlers"):
        Worker(registry, queue.settings)
