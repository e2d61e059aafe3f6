"""A database in memory that threads share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from supaqueue.contract import ClaimJobTasks, EnqueueJobs, FinishedTask, FinishJobTasks, NewJob
from supaqueue.testing import MemoryDatabase, MemoryTransport

THREADS = 8


@pytest.fixture(autouse=True)
def _switch_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def work(database: MemoryDatabase, worker: str) -> list[str]:
    """Claim and finish until nothing is left; return the jobs that were this worker's."""
    transport, mine = MemoryTransport(database), []
    while True:
        call = ClaimJobTasks(str(uuid4()), worker, ("default",), ("a",), 1, 0, 60.0, {})
        tasks = transport.send(call).tasks
        if not tasks:
            return mine
        ended = tuple(FinishedTask(task.ref, "done") for task in tasks)
        assert {answer.answer for answer in transport.send(FinishJobTasks(worker, ended))} == {"recorded"}
        mine += [task.job_id for task in tasks]


def test_every_task_is_one_workers() -> None:
    database = MemoryDatabase()
    jobs = tuple(NewJob("a") for _ in range(200))
    MemoryTransport(database).send(EnqueueJobs(jobs))
    with ThreadPoolExecutor(THREADS) as threads:
        found = list(threads.map(lambda number: work(database, f"w{number}"), range(THREADS)))
    assert sorted(job_id for mine in found for job_id in mine) == sorted(job.job_id for job in jobs)


def test_no_step_of_the_clock_is_lost() -> None:
    database = MemoryDatabase()
    begun = database.clock.now()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda _: [database.clock.advance(1) for _ in range(200)], range(THREADS)))
    assert (database.clock.now() - begun).total_seconds() == THREADS * 200
