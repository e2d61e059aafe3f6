"""What the calls read with 1,000 order keys and 100,000 tasks that wait, whatever the planner believes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from supaqueue.devstack import Stack
from tests.sql.calls import Calls, Row, Worker, endings, leases, new_job
from tests.sql.plans import OURS, blocks, explained, scans
from tests.sql.test_order_keys import blocked_keys, release
from tests.sql.test_plans import forget_statistics

QUEUE, KEYS, TASKS = "ordered", 1000, 100_000
ROWS = 20
"""Keys or tasks in each call."""

WARM_UP = 7

FILL = f"""
set session_replication_role = replica;
create unlogged table loaded as select n, format('%s-0000-7000-8000-00000000%s', lpad(to_hex(n), 8, '0'),
    lpad(to_hex(n % 10000), 4, '0'))::uuid as job_id from generate_series(1, {TASKS}) as n;
insert into jobs (job_id, queue, task_type, bucket, content_hash)
    select job_id, '{QUEUE}', 'count', n % 10000, '\\x00' from loaded;
insert into job_tasks (job_id, queue, task_type, payload, status, order_key, key_position, blocks_key)
    select job_id, '{QUEUE}', 'count', '{{}}', 'blocked', 'key ' || n % {KEYS},
        nextval('job_task_position'), true
    from loaded order by n;
insert into job_order_key_signals (queue, order_key)
    select '{QUEUE}', 'key ' || n from generate_series(0, {KEYS} - 1) as n;
drop table loaded;
reset session_replication_role;
"""


@dataclass
class Session:
    """A superuser's session that makes the calls and sees their plans."""

    calls: Calls
    worker: Worker
    sent: list[Row] = field(default_factory=list)

    @classmethod
    def open(cls, address: str) -> Session:
        connection = psycopg.connect(address, autocommit=True)
        return cls(Calls(connection), Worker(connection, queues=[QUEUE]))

    def enqueue(self, key: str) -> list[Row]:
        jobs = [new_job(QUEUE, order_key=f"{key} {n}") for n in range(ROWS)]
        self.calls.enqueue(*jobs)
        self.sent += jobs
        return jobs

    def held(self, key: str) -> list[Row]:
        """Tasks with the turns of keys that have another one each behind it."""
        wanted = {job["job_id"] for job in (*self.enqueue(key), *self.enqueue(key))}
        found: list[Row] = []
        while len(found) < ROWS:
            found += [task for task in self.worker.claim(1000) if task["job_id"] in wanted]
        return found

    def prepared(self) -> dict[str, Callable[[], object]]:
        """Return one call of each kind, with what it needs made ready before."""
        worker, run = self.worker, uuid4().hex
        done, failed, cancelled = (self.held(f"{kind} {run}") for kind in ("done", "failed", "cancelled"))
        worker.finish(endings(failed, "fail"))
        replayed, dropped, released = leases(failed[:5]), leases(failed[5:10]), failed[10:]
        keys = {job["job_id"]: job["order_key"] for job in self.sent}
        waiting = self.enqueue(f"cancelled {run}")
        return {
            "enqueue": lambda: self.enqueue(f"enqueued {run}"),
            "claim of new keys": lambda: worker.claim(ROWS),
            "finish": lambda: worker.finish(endings(done, "done")),
            "claim of the next": lambda: worker.claim(ROWS),
            "list": lambda: blocked_keys(self.calls, QUEUE, page_size=ROWS),
            "replay": lambda: self.calls.replay(*replayed),
            "drop": lambda: self.calls.drop(*dropped),
            "release": lambda: release(self.calls, QUEUE, *(keys[task["job_id"]] for task in released)),
            "claim of what was freed": lambda: worker.claim(ROWS),
            "cancel": lambda: self.calls.cancel(*(job["job_id"] for job in (*waiting, *cancelled))),
        }

    def warm_up(self) -> None:
        for _ in range(WARM_UP):
            for call in self.prepared().values():
                call()


@dataclass
class Large:
    """A large database, and a session whose plans were made while it was empty."""

    address: str
    early: Session


@pytest.fixture(scope="module")
def large(stack: Stack) -> Iterator[Large]:
    name = f"large_{uuid4().hex}"
    address = make_conninfo(stack.superuser_url, dbname=name)
    with psycopg.connect(stack.superuser_url, autocommit=True) as connection:
        connection.execute(f"create database {name} template migrated".encode())
    with psycopg.connect(address, autocommit=True) as connection:
        for table in OURS:
            connection.execute(f"alter table {table} set (autovacuum_enabled = off)".encode())
        early = Session.open(address)
        early.warm_up()
        connection.execute(FILL.encode())
    yield Large(address, early)
    early.calls.connection.close()
    with psycopg.connect(stack.superuser_url, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)".encode())


def check_plans(session: Session) -> None:
    """Each call reads what it names by an index, and little else, however many keys and tasks there are."""
    for name, call in session.prepared().items():
        with explained(session.calls.connection) as plans:
            call()
        found = scans(plans)
        assert [scan for scan in found if scan.reads_all] == [], name
        assert [scan for scan in found if scan.rows > 20 * ROWS] == [], name
        assert blocks(plans) < 400 * ROWS, (name, blocks(plans))


def test_plans_made_while_the_tables_were_empty(large: Large) -> None:
    check_plans(large.early)


def test_plans_without_statistics(large: Large) -> None:
    session = Session.open(large.address)
    forget_statistics(session.calls.connection)
    session.warm_up()
    check_plans(session)
    session.calls.connection.close()


def test_plans_with_fresh_statistics(large: Large) -> None:
    session = Session.open(large.address)
    session.calls.connection.execute("analyze")
    session.warm_up()
    check_plans(session)
    session.calls.connection.close()
