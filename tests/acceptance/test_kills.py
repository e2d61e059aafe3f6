"""Ten worker processes, most of which are killed with -9 while they work, some by their own tasks."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from supaqueue.client import Queue
from supaqueue.contract import NewJob
from supaqueue.devstack import Stack
from tests.sql.checks import failed_checks
from tests.worker.processes import WorkerProcess, environment, killed_at_the_end, start_worker

QUEUE = "kills"
LOST_LEASES = 6
"""So many end a task, whatever its attempts."""
POISONS = (("kill_own_worker_once_started", 2), ("kill_own_worker", 1000), ("kill_own_worker", 1000))
"""Tasks that kill their worker, at equal distances among the others: type, and attempts they may take."""

HELD = """
    select w.worker_id, count(t.job_id), coalesce(max(t.lost_leases), 0), bool_and(t.task_type = 'tick'),
        max(t.lease_token), max(t.last_heartbeat)
    from job_workers w
    left join job_tasks t on t.worker_id = w.worker_id and t.status in ('claimed', 'processing')
    where w.process_id = %s group by w.worker_id
"""
UNFINISHED = "select count(*) from jobs where status in ('pending', 'processing')"
TASKS_BY_STATUS = "select task_type <> 'tick', status, count(*) from job_tasks group by 1, 2 order by 1, 2"
ENDED_TWICE = """
    select t.job_id from job_tasks t left join job_task_attempts a using (job_id, task_number)
    group by t.job_id having count(*) filter (where a.status_after <> 'pending') <> 1
"""
MISCOUNTED = """
    select t.job_id from job_tasks t left join job_task_attempts a using (job_id, task_number)
    group by t.job_id, t.attempts
    having array_remove(array_agg(a.attempt order by a.attempt), null)
        <> array(select generate_series(1, t.attempts))
"""
POISON_ENDS = "select attempts = max_attempts, lost_leases from job_tasks where task_type <> 'tick'"


@dataclass
class Fleet:
    """So many workers, whatever happens to them."""

    stack: Stack
    folder: Path
    size: int = 10
    concurrency: int = 8
    lease_seconds: int = 3
    running: list[WorkerProcess] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)
    died: int = 0

    def fill(self) -> None:
        """Start as many as are missing."""
        dead = [worker for worker in self.running if worker.process.poll() is not None]
        self.died += len(dead)
        for worker in dead:
            self.running.remove(worker)
        while len(self.running) < self.size:
            log = self.folder / f"worker-{time.monotonic_ns()}.log"
            options = ["--lease-seconds", str(self.lease_seconds), "--concurrency", str(self.concurrency)]
            self.running.append(start_worker(environment(self.stack), log, QUEUE, *options))

    def kill_if_it_holds_leases(self, worker: WorkerProcess, connection: psycopg.Connection[Any]) -> None:
        """Freeze a worker, look at what it holds, and kill it if that is tasks that never lost a lease."""
        if worker.process.poll() is not None:
            return
        worker.freeze()
        held = what_a_frozen_worker_holds(worker, connection)
        if held is None:
            worker.thaw()
            return
        worker.kill()
        self.running.remove(worker)
        self.killed.append(held)


def what_a_frozen_worker_holds(worker: WorkerProcess, connection: psycopg.Connection[Any]) -> str | None:
    """Its id if it holds tasks, all harmless and never lost before; a call under way is waited for."""
    before = None
    while (row := connection.execute(HELD, [worker.pid]).fetchone()) != before:
        before = row
        time.sleep(0.03)
    if row is None:
        return None
    worker_id, tasks, lost_leases, harmless, *_ = row
    return str(worker_id) if tasks and harmless and not lost_leases else None


def jobs(tasks: int, poisons: int) -> Iterator[NewJob]:
    distance = tasks // (poisons + 1)
    for number in range(tasks):
        place, left = divmod(number, distance)
        if not left and 1 <= place <= poisons:
            task_type, max_attempts = POISONS[place - 1]
            yield NewJob(task_type, queue=QUEUE, max_attempts=max_attempts)
        yield NewJob("tick", 0.15, queue=QUEUE, max_attempts=1000)


def work_with_kills(fleet: Fleet, connection: psycopg.Connection[Any], *, kills: int) -> None:
    turns = itertools.count()
    while connection.execute(UNFINISHED).fetchone() != (0,):
        fleet.fill()
        if len(fleet.killed) < kills:
            fleet.kill_if_it_holds_leases(fleet.running[next(turns) % len(fleet.running)], connection)
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("tasks", "kills", "poisons"), [(2_500, 4, 1), pytest.param(10_000, 12, 3, marks=pytest.mark.slow)]
)
def test_nothing_is_lost_and_nothing_ends_twice(
    tasks: int, kills: int, poisons: int, own_stack: Stack, tmp_path: Path
) -> None:
    """Why no harmless task may fail here, whatever the timing.

    Its attempts are as good as unlimited, so only six lost leases can fail it. With two it is claimed alone,
    and then nobody kills its worker: this test kills a worker only while none of its tasks ever lost a lease.
    Of those that kill their worker, the first waits until its start is recorded, so that each kill costs it
    one of two attempts. The others do so at once: their start is never recorded, and six lost leases end
    them.
    """
    with Queue(url=own_stack.url, service_role_key=own_stack.service_role_key) as queue:
        queue.enqueue_many(jobs(tasks, poisons))
    fleet = Fleet(own_stack, tmp_path)
    with psycopg.connect(own_stack.superuser_url, autocommit=True) as connection:
        with killed_at_the_end(fleet.running):
            work_with_kills(fleet, connection, kills=kills)
        assert connection.execute(TASKS_BY_STATUS).fetchall() == [
            (False, "completed", tasks),
            (True, "failed", poisons),
        ]
        assert connection.execute(ENDED_TWICE).fetchall() == []
        assert connection.execute(MISCOUNTED).fetchall() == []
        assert failed_checks(connection) == []
        for attempts_spent, lost_leases in connection.execute(POISON_ENDS):
            assert attempts_spent or lost_leases == LOST_LEASES
        lost = "select count(*) from job_task_attempts where outcome = 'lease_lost' and worker_id = %s"
        losses = [connection.execute(lost, [worker_id]).fetchone() for worker_id in fleet.killed]
        assert all(row is not None and row[0] > 0 for row in losses)
    assert len(fleet.killed) == kills
    assert fleet.died >= poisons


def test_task_that_kills_its_worker_at_once_takes_no_neighbour_with_it(
    own_stack: Stack, tmp_path: Path
) -> None:
    """Its start is never recorded: only the number of lost leases tells it from those claimed with it."""
    with Queue(url=own_stack.url, service_role_key=own_stack.service_role_key) as queue:
        neighbours = [NewJob("tick", 0.3, queue=QUEUE, max_attempts=1000) for _ in range(3)]
        queue.enqueue_many([*neighbours, NewJob("kill_own_worker", queue=QUEUE, max_attempts=1000)])
    fleet = Fleet(own_stack, tmp_path, size=1, lease_seconds=1, concurrency=4)
    with psycopg.connect(own_stack.superuser_url, autocommit=True) as connection:
        with killed_at_the_end(fleet.running):
            work_with_kills(fleet, connection, kills=0)
        assert connection.execute(TASKS_BY_STATUS).fetchall() == [
            (False, "completed", 3),
            (True, "failed", 1),
        ]
