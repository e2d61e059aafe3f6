"""What the calls read beside 1,000,000 finished and 100,000 waiting tasks, whatever the planner believes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from supaqueue.devstack import Stack
from tests.sql.calls import Calls, Row, Worker, endings, expire, new_job, pass_deadline
from tests.sql.flags import (
    hand_back,
    mirrors,
    open_taken_over,
    own_flag,
    record,
    set_flag,
    settle,
    start_legacy,
    take_over,
)
from tests.sql.large import fill
from tests.sql.plans import OURS, blocks, explained, scans
from tests.sql.test_repairs import DONE, repair_copies, repair_mirrors, repairs

QUEUE = "large"
ROWS = 50
"""Jobs or tasks in each call."""

LONG = 3600
"""Seconds of each lease: on a slow machine none runs out that was not meant to."""

LAST = {"look": "ready", "found": 0, "xmin": "9" * 18, "queue": "zzz", "position": 0}
"""Where a pass of a hand-back ends, which began long after every transaction that is open."""

TO_RELEASE = LAST | {"look": "release_due"}

WARM_UP = 7
"""Calls before one is looked at: from the sixth on, a session may keep one plan for all arguments."""

FORGET = """
delete from pg_statistic where starelid = any(%s::regclass[]);
update pg_class set relpages = 0, reltuples = -1, relallvisible = 0
where oid = any(%s::regclass[])
    or oid in (select indexrelid from pg_index where indrelid = any(%s::regclass[]));
"""


@dataclass
class Session:
    """A superuser's session that makes the calls and sees their plans."""

    calls: Calls
    worker: Worker

    @classmethod
    def open(cls, address: str) -> Session:
        connection = psycopg.connect(address, autocommit=True)
        return cls(Calls(connection), Worker(connection, queues=[QUEUE]))

    def held(self) -> list[Row]:
        return self.worker.claim(ROWS, lease_seconds=LONG)

    def dead(self, count: int) -> list[Row]:
        calls, worker = self.calls, Worker(self.calls.connection, queues=["dead"])
        calls.enqueue_new("dead", count)
        return worker.fail(count)

    def leases(self) -> int:
        return int(self.calls.value("select count(*) from job_tasks where lease_expires_at is not null"))

    def prepared(self) -> dict[str, Callable[[], object]]:
        """Return one call of each kind, with what it needs made ready before."""
        calls, worker = self.calls, self.worker
        repeated = [new_job(QUEUE) for _ in range(ROWS // 2)]
        calls.enqueue(*repeated)
        request_id = str(uuid4())
        claimed = worker.claim(ROWS, request_id=request_id, lease_seconds=LONG)
        lost, kept, cancelled = self.held(), self.held(), self.held()
        expire(calls.connection, lost)
        worker.look_again_for_expired()
        due = calls.enqueue_new(QUEUE, ROWS, delay_seconds=60)
        calls.connection.execute(
            "update job_tasks set run_at = clock_timestamp() where job_id = any(%s)", [due]
        )
        late = calls.enqueue_new(QUEUE, ROWS, deadline_seconds=600)
        pass_deadline(calls.connection, late)
        worker.look_again_for_deadlines()
        waiting = calls.enqueue_new(QUEUE, ROWS)
        dead = self.dead(3 * ROWS)
        replayed, dropped = dead[:ROWS], dead[ROWS : 2 * ROWS]
        taken, legacy = ([new_job(QUEUE, owner="legacy") for _ in range(ROWS)] for _ in range(2))
        calls.enqueue(*taken, *legacy)
        lost = [new_job(QUEUE, owner="legacy") for _ in range(ROWS)]
        taken = [{name: job[name] for name in job if name != "owner"} for job in taken]
        copied, released = self.going()
        first = Worker(calls.connection, queues=[QUEUE, "empty"])
        calls.enqueue(*(new_job("lines", tenant=f"t{n}", priority=n % 3) for n in range(2 * ROWS)))
        lines = Worker(calls.connection, queues=["lines", QUEUE])
        thirds = [claimed[:10], claimed[10:20], claimed[20:30], claimed[30:40], claimed[40:]]
        outcomes = ["done", "retry", "snooze", "fail", "not_started"]
        ends = [e for tasks, outcome in zip(thirds, outcomes, strict=True) for e in endings(tasks, outcome)]
        return {
            "enqueue": lambda: calls.enqueue(*(new_job(QUEUE) for _ in range(ROWS // 2)), *repeated),
            "claim": lambda: worker.claim(ROWS, lease_seconds=LONG),
            "first claim": lambda: first.claim(ROWS, lease_seconds=LONG),
            "claim of lines": lambda: lines.claim(ROWS, lease_seconds=LONG, weights={"lines": 2}),
            "next claim of lines": lambda: lines.claim(ROWS, lease_seconds=LONG, weights={"lines": 2}),
            "repeated claim": lambda: worker.claim(ROWS, request_id=request_id, lease_seconds=LONG),
            "heartbeat": lambda: worker.heartbeat(kept, kept, LONG, worker.worker_id),
            "finish": lambda: worker.finish(ends, worker_id=worker.worker_id),
            "repeated finish": lambda: worker.finish(ends, worker_id=worker.worker_id),
            "cancel": lambda: calls.cancel(*waiting[:25], *(task["job_id"] for task in cancelled[:25])),
            "abandon": lambda: calls.abandon(*waiting[25:], *(task["job_id"] for task in cancelled[25:])),
            "get": lambda: calls.get(*waiting, with_attempts=True),
            "observe": lambda: observe(calls, ROWS),
            "observe by id": lambda: calls.call("observe_jobs_by_id_v1", job_ids=waiting),
            "repair mirrors": lambda: repair_mirrors(calls, *lost, outcome=DONE),
            "list repairs": lambda: repairs(calls, ROWS),
            "list dead letters": lambda: calls.list_dead_letters(page_size=ROWS, queue="dead"),
            "replay": lambda: calls.replay(*replayed),
            "repeated replay": lambda: calls.replay(*replayed),
            "drop": lambda: calls.drop(*dropped),
            "repeated drop": lambda: calls.drop(*dropped),
            "pause": lambda: calls.pause("elsewhere", seconds=60),
            "resume": lambda: calls.resume("elsewhere"),
            "list mirrors": lambda: mirrors(calls, "due", page_size=ROWS),
            "settle mirrors": lambda: settle(calls, "due", *((job_id, 0) for job_id in copied)),
            "repair copies": lambda: repair_copies(calls, *copied),
            "hand back": lambda: hand_back(calls, None, ROWS),
            "end of a hand-back": lambda: hand_back(calls, LAST, ROWS),
            "what is to be released": lambda: hand_back(calls, TO_RELEASE, ROWS),
            "start legacy": lambda: start_legacy(calls, *((job_id, 1) for job_id in released)),
            "record outcomes": lambda: [record(calls, job["job_id"], 0) for job in legacy[:5]],
            "take over": lambda: take_over(calls, *taken),
            "open": lambda: open_taken_over(calls, *((job["job_id"], 0, True) for job in taken)),
        }

    def going(self) -> tuple[list[str], list[str]]:
        """Jobs of a type that goes back: those that wait here, and those that are legacy's already."""
        calls = self.calls
        own_flag(calls, "going", hand_back="none", relays_unrouted=True)
        set_flag(calls.connection, "going", stage="live", is_enabled=True, rollout_percent=100)
        copied = calls.enqueue_new("back", ROWS, "going", delay_seconds=LONG)
        off = {"is_enabled": False, "rollout_percent": 0, "hand_back": "not_started"}
        set_flag(calls.connection, "going", **off)
        return copied, calls.enqueue_new("back", ROWS, "going")

    def warm_up(self) -> None:
        for _ in range(WARM_UP):
            for call in self.prepared().values():
                call()


def observe(calls: Calls, rows: int) -> object:
    times = {"since": "2000-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}
    return calls.call("observe_jobs_v1", **times, page=None, page_size=rows)


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
        fill(connection, QUEUE, finished=1_000_000, waiting=100_000)
    yield Large(address, early)
    early.calls.connection.close()
    with psycopg.connect(stack.superuser_url, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)".encode())


def check_plans(session: Session) -> None:
    """Each call reads what it names by an index, and little else."""
    for name, call in session.prepared().items():
        with explained(session.calls.connection) as plans:
            call()
        found = scans(plans)
        assert found, name
        if name == "end of a hand-back":  # the last call of a pass looks through all leases
            found = [scan for scan in found if scan.index != "job_tasks_leased"]
        assert [scan for scan in found if scan.reads_all] == [], name
        # The repeat of a claim, which is rare, looks through the leases of its queues.
        allowed = 20 * ROWS + (session.leases() if name == "repeated claim" else 0)
        assert [scan for scan in found if scan.rows > allowed] == [], name
        leases = 2 * session.leases() if name == "end of a hand-back" else 0
        # A claim read up to 8,128, and 7,408 before lines: probably the index more that ready tasks enter.
        assert blocks(plans) < 170 * ROWS + leases, (name, blocks(plans))


def test_plans_made_while_the_tables_were_empty(large: Large) -> None:
    check_plans(large.early)


def forget_statistics(connection: psycopg.Connection[Any]) -> None:
    tables = list(OURS)
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(FORGET, [tables, tables, tables])


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


def test_the_watch_sees_a_scan_of_all(large: Large) -> None:
    """What these tests look for is found where it is: a call's plan without its settings is no witness."""
    connection = psycopg.connect(large.address, autocommit=True)
    with explained(connection) as plans:
        connection.execute("select count(*) from job_tasks where lost_leases = 7")
    assert [scan.table for scan in scans(plans) if scan.reads_all][:1] == ["job_tasks"]
    assert blocks(plans) > 150 * ROWS
    connection.close()
