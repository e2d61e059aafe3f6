"""A limit holds for real worker processes, also if one of them is killed."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from supaqueue import RunningLimit
from supaqueue.client import Queue
from supaqueue.devstack import Stack
from supaqueue.settings import Settings
from tests.sql.test_running_limit_races import most_at_once
from tests.worker.processes import environment, killed_at_the_end, start_worker
from tests.worker.waiting import until

WORKERS, TASKS, LIMIT = 8, 2000, 3

LEASED = """
select a.claimed_at, a.ended_at from job_task_attempts a join jobs using (job_id)
where queue = 'limited' order by a.claimed_at
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_never_more_than_three_run_in_eight_processes(own_stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "open").touch()
    settings = Settings(url=own_stack.url, service_role_key=own_stack.service_role_key)
    with Queue(settings, budget_seconds=60) as client:
        client.limits.set(RunningLimit("limited", running_limit=LIMIT))
        job = {"task_type": "pass_gate", "payload": {"folder": str(tmp_path)}, "queue": "limited"}
        client.enqueue_many([job] * TASKS)
        workers = [
            start_worker(environment(own_stack), tmp_path / f"{n}.log", "limited", "--lease-seconds", "5")
            for n in range(WORKERS)
        ]
        with killed_at_the_end(workers):
            until(lambda: done(client) > TASKS // 10, "some tasks to be done")
            workers[0].kill()
            until(lambda: done(client) == TASKS, "all tasks to be done", seconds=600)
    with psycopg.connect(own_stack.superuser_url) as connection:
        leased = connection.execute(LEASED).fetchall()
    assert most_at_once(leased) == LIMIT
    assert {worker.pid for worker in workers if worker.has_entered(tmp_path)} != set()


def done(client: Queue) -> int:
    return sum(count.tasks for count in client.stats("limited").counts if count.status == "completed")
