"""Postgres and PostgREST killed and started again under a worker that works."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from supaqueue.client.queue import Queue
from supaqueue.devstack import Stack
from supaqueue.settings import DatabaseSettings, Settings
from supaqueue.worker import Registry
from tests.worker.running import OwnQueue
from tests.worker.waiting import until

JOBS = 400


def kill_postgres(stack: Stack) -> None:
    stack.restart_postgres(immediate=True)


def kill_postgrest(stack: Stack) -> None:
    stack.restart_postgrest(immediate=True)


def kill_both(stack: Stack) -> None:
    kill_postgrest(stack)
    kill_postgres(stack)


def recorded(stack: Stack, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(stack.superuser_url) as connection:
        return connection.execute(query).fetchall()


def over_the_api(stack: Stack) -> Settings | DatabaseSettings:
    return Settings(url=stack.url, service_role_key=stack.service_role_key)


def directly(stack: Stack) -> Settings | DatabaseSettings:
    return DatabaseSettings(stack.database_url)


@pytest.mark.parametrize(
    ("kill", "reach"),
    [
        (kill_postgres, over_the_api),
        (kill_postgrest, over_the_api),
        (kill_both, over_the_api),
        (kill_postgres, directly),
    ],
    ids=lambda part: part.__name__,
)
def test_every_job_is_completed_once(
    kill: Callable[[Stack], None],
    reach: Callable[[Stack], Settings | DatabaseSettings],
    own_stack: Stack,
    registry: Registry,
) -> None:
    runs: list[int] = []

    @registry.task("work")
    def work(number: int) -> None:
        runs.append(number)
        time.sleep(0.005)  # so that the kill comes in the middle of the work

    settings = reach(own_stack)
    with Queue(settings, budget_seconds=60) as client:
        queue = OwnQueue(settings, client)
        jobs = [{"task_type": "work", "payload": n, "queue": queue.name} for n in range(2 * JOBS)]
        client.enqueue_many(jobs[:JOBS])
        with queue.worker(registry, concurrency=2, lease_seconds=60.0) as running:
            until(lambda: len(runs) > JOBS // 4, "some jobs to be done")
            assert len(runs) < JOBS
            kill(own_stack)
            client.enqueue_many(jobs[JOBS:])
            until(
                lambda: (
                    {(c.status, c.tasks) for c in client.stats(queue.name).counts}
                    == {("completed", 2 * JOBS)}
                ),
                "all jobs to be completed",
            )
    assert running.handlers_ended is True
    assert sorted(runs) == list(range(2 * JOBS))
    # What waited in the worker meanwhile may have been handed back: that costs no attempt.
    outcomes = "select outcome, count(*) from job_task_attempts where outcome <> 'not_started' group by 1"
    assert recorded(own_stack, outcomes) == [("done", 2 * JOBS)]
    assert recorded(own_stack, "select status, count(*) from jobs group by 1") == [("completed", 2 * JOBS)]
    assert recorded(own_stack, "select sum(attempts), sum(lost_leases) from job_tasks") == [(2 * JOBS, 0)]
