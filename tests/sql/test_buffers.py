"""What a claim reads per task while another session holds a snapshot, so that nothing dead can be cleaned."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.json import Jsonb

from supaqueue.devstack import Stack
from tests.sql.calls import Calls, Worker, endings, new_job
from tests.sql.large import fill
from tests.sql.sessions import together

OpenWorker = Callable[..., Worker]
Connect = Callable[[], psycopg.Connection[Any]]

BATCH = 100
RETRIES = 10
LIMIT = 1.3

CLAIM = """
explain (analyze, buffers, timing off, summary off, format json)
insert into pg_temp.replies select claim_job_tasks_v1(
    request_id => %s, worker_id => %s, queues => %s, task_types => %s, want => %s, holding => 0,
    lease_seconds => 60, marks => %s, started => '[]', contract_version => 1)
"""


@dataclass
class Load:
    """One session of steady load: enqueues, claims and finishes as many in each round, some after a retry."""

    worker: Worker
    forgetful: bool = False
    blocks_per_task: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.worker.connection.execute("create temp table replies (reply jsonb)")

    def round(self) -> None:
        jobs = [new_job(self.worker.queues[0], max_attempts=2) for _ in range(BATCH)]
        self.worker.enqueue(*jobs)
        tasks = self._claim()
        again = [task for task in tasks if task["attempt"] == 1][:RETRIES]
        done = [task for task in tasks if task not in again]
        self.worker.finish(endings(done, "done") + endings(again, "retry", after_seconds=0))

    def _claim(self) -> list[dict[str, Any]]:
        worker = self.worker
        marks = {} if self.forgetful else worker.marks
        asked = [str(uuid4()), worker.worker_id, worker.queues, worker.task_types, BATCH, Jsonb(marks)]
        [explained] = worker.value(CLAIM, asked)
        reply = worker.value("delete from pg_temp.replies returning reply")
        worker.marks = reply["marks"]
        tasks = list(reply["tasks"])
        blocks = explained["Plan"]["Shared Hit Blocks"] + explained["Plan"]["Shared Read Blocks"]
        self.blocks_per_task.append(blocks / max(len(tasks), 1))
        return tasks


def run(loads: list[Load], *, rounds: int = 0, seconds: float = 0) -> float:
    """Run so many rounds in each session, or for so long; return the blocks per task in the last third."""

    def work(load: Load) -> list[float]:
        load.blocks_per_task.clear()
        end = time.monotonic() + seconds
        while len(load.blocks_per_task) < rounds or time.monotonic() < end:
            load.round()
        return load.blocks_per_task[-max(1, len(load.blocks_per_task) // 3) :]

    return fmean(fmean(figures) for figures in together(*(lambda load=load: work(load) for load in loads)))


@contextmanager
def held_snapshot(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Keep a snapshot, as a long report or a forgotten transaction does."""
    connection.execute("begin isolation level repeatable read")
    connection.execute("select count(*) from jobs")
    yield
    connection.execute("rollback")


@pytest.fixture
def open_load(stack: Stack, fresh_database: str, open_worker: OpenWorker) -> Callable[..., list[Load]]:
    """Makes the load of two sessions, beside a long past: an index that grew a level would mislead."""
    name = conninfo_to_dict(fresh_database)["dbname"]
    with psycopg.connect(make_conninfo(stack.superuser_url, dbname=name), autocommit=True) as connection:
        fill(connection, "past", finished=200_000, waiting=0)
        connection.execute("vacuum analyze")

    def start(**options: Any) -> list[Load]:
        return [Load(open_worker(), **options) for _ in range(2)]

    return start


@pytest.mark.slow
def test_a_held_snapshot_makes_claims_read_little_more(
    calls: Calls, open_load: Callable[..., list[Load]], connect: Connect
) -> None:
    loads = open_load()
    before = run(loads, rounds=120)
    with held_snapshot(connect()):
        after = run(loads, rounds=120)
    assert after <= LIMIT * before, f"{before:.1f} blocks per task became {after:.1f}"


@pytest.mark.slow
def test_a_worker_without_marks_would_read_far_more(
    calls: Calls, open_load: Callable[..., list[Load]], connect: Connect
) -> None:
    """The control: the same measure at the same load tells a claim that begins at the start of the index."""
    loads = open_load(forgetful=True)
    before = run(loads, rounds=60)
    with held_snapshot(connect()):
        after = run(loads, rounds=120)
    assert after > LIMIT * before, f"{before:.1f} blocks per task became {after:.1f}"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_snapshot_held_for_two_minutes(
    calls: Calls, open_load: Callable[..., list[Load]], connect: Connect
) -> None:
    loads = open_load()
    before = run(loads, seconds=30)
    with held_snapshot(connect()):
        after = run(loads, seconds=120)
    print(f"blocks per claimed task: {before:.1f} before, {after:.1f} under a snapshot held for 120 s")
    assert after <= LIMIT * before, f"{before:.1f} blocks per task became {after:.1f}"
