"""The marks of claims: whatever becomes visible behind a worker's mark is found by that worker, soon."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.sql.calls import Calls, Worker, endings, expire
from tests.sql.sessions import open_transaction, together

OpenWorker = Callable[..., Worker]
Connect = Callable[[], psycopg.Connection[Any]]

SOON = 24
"""Claims within which a worker finds what appeared behind its mark."""


def pass_by(calls: Calls, worker: Worker, queue: str, rounds: int, size: int = 50) -> None:
    """Let the worker's mark move on over new jobs, which it finishes."""
    for _ in range(rounds):
        expected = set(calls.enqueue_new(queue, size))
        tasks = worker.claim(size)
        assert {task["job_id"] for task in tasks} == expected
        worker.finish(endings(tasks, "done"))


def found_soon(worker: Worker, ids: list[str], claims: int = SOON) -> bool:
    """Whether the worker claims these jobs, and no others, within so many claims."""
    found = [task["job_id"] for _ in range(claims) for task in worker.claim(1000)]
    return sorted(found) == sorted(ids)


@pytest.mark.parametrize("rounds", [1, 3, 20])
def test_a_late_commit_is_found(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str, rounds: int
) -> None:
    late = Calls(connect())
    with open_transaction(late.connection):
        ids = late.enqueue_new(queue_name, 3)
        pass_by(calls, worker, queue_name, rounds)
    assert found_soon(worker, ids)


def test_a_late_commit_is_found_by_a_worker_that_was_there_before(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    late = Calls(connect())
    pass_by(calls, worker, queue_name, 10)
    with open_transaction(late.connection):
        ids = late.enqueue_new(queue_name, 3)
        pass_by(calls, worker, queue_name, 10)
    assert found_soon(worker, ids)


def test_of_several_late_commits_the_last_is_found_too(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    """Each ends in its turn, while nothing else ends; the mark must not take one's end for all."""
    pass_by(calls, worker, queue_name, 3)
    sessions = [Calls(connect()) for _ in range(5)]
    ids = []
    for session in sessions:
        session.connection.execute("begin")
        ids.append(session.enqueue_new(queue_name))
    worker.claim()
    for session, late in zip(sessions, ids, strict=True):
        session.connection.execute("commit")
        assert found_soon(worker, late)


@pytest.mark.parametrize("writer_first", [True, False])
def test_a_late_commit_is_found_while_a_long_writing_transaction_holds_xmin_back(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str, writer_first: bool
) -> None:
    long, late = connect(), Calls(connect())
    long.execute("create temp table scratch (n integer)")
    if not writer_first:
        pass_by(calls, worker, queue_name, 5)
    with open_transaction(long):
        long.execute("insert into scratch values (1)")
        pass_by(calls, worker, queue_name, 5)
        for _ in range(3):
            with open_transaction(late.connection):
                ids = late.enqueue_new(queue_name, 2)
                pass_by(calls, worker, queue_name, 10)
            assert found_soon(worker, ids)
    pass_by(calls, worker, queue_name, 5)


def test_a_late_commit_that_began_while_a_new_mark_settled_is_found(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    """Only who drew an entry up to settle_to has ended by then; the mark itself has moved on meanwhile."""
    long, late = connect(), Calls(connect())
    long.execute("create temp table scratch (n integer)")
    with open_transaction(long):
        long.execute("insert into scratch values (1)")
        for _ in range(2):
            assert worker.claim() == []
        late.connection.execute("begin")
        ids = late.enqueue_new(queue_name)
        pass_by(calls, worker, queue_name, 1)
    assert found_soon(worker, [])
    late.connection.execute("commit")
    assert found_soon(worker, ids)


def test_a_bulk_in_flight_at_a_workers_first_claim_is_found(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    late = Calls(connect())
    with open_transaction(late.connection):
        ids = {job_id for _ in range(3) for job_id in late.enqueue_new(queue_name, 5000)}
        calls.enqueue_new(queue_name)
        assert len(worker.claim()) == 1
    found = {task["job_id"] for task in worker.claim_all(1000, idle_claims=SOON)}
    assert found == ids


def test_a_late_delayed_job_is_found_when_it_is_due(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    late = Calls(connect())
    with open_transaction(late.connection):
        ids = late.enqueue_new(queue_name, delay_seconds=0.001)
        pass_by(calls, worker, queue_name, 10)
    assert found_soon(worker, ids)


def test_what_was_locked_comes_back(calls: Calls, worker: Worker, connect: Connect, queue_name: str) -> None:
    locker = connect()
    ids = calls.enqueue_new(queue_name, 300)
    with open_transaction(locker):
        locker.execute("select from jobs where job_id = any(%s) for no key update", [ids[::3]])
        taken = worker.claim_all(40)
        assert {task["job_id"] for task in taken} == set(ids) - set(ids[::3])
        worker.finish(endings(taken, "done"))
        pass_by(calls, worker, queue_name, 10)
    assert found_soon(worker, ids[::3])


@pytest.mark.parametrize("behind", [False, True])
def test_what_is_locked_does_not_hold_up_the_rest(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str, behind: bool
) -> None:
    """A worker with one slot asks for one task at a time; 500 that another session holds come first."""
    locker = connect()
    locked = calls.enqueue_new(queue_name, 500)
    with open_transaction(locker):
        locker.execute("select from jobs where job_id = any(%s) for no key update", [locked])
        if behind:
            assert worker.claim_all(1000) == []
        for _ in range(4):
            [expected] = calls.enqueue_new(queue_name)
            found = [task["job_id"] for _ in range(4) for task in worker.claim(1)]
            assert found == [expected]
    assert {task["job_id"] for task in worker.claim_all(100)} == set(locked)


def test_due_tasks_that_are_locked_do_not_hold_up_the_rest(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    """500 of one moment, more than one look holds, are being cancelled in a long transaction."""
    canceller = Calls(connect())
    ids = calls.enqueue_new(queue_name, 500, delay_seconds=3600)
    later = calls.enqueue_new(queue_name, 5, delay_seconds=3600)
    worker.claim()
    due = "update job_tasks set run_at = %s where job_id = any(%s)"
    now = calls.value("select clock_timestamp()")
    calls.connection.execute(due, [now, ids])
    calls.connection.execute(due, [calls.value("select clock_timestamp()"), later])
    canceller.connection.execute("begin")
    canceller.cancel(*ids)
    assert found_soon(worker, later)
    canceller.connection.execute("rollback")
    assert {task["job_id"] for task in worker.claim_all(1000)} == set(ids)


def test_types_that_a_worker_does_not_serve_do_not_block(
    calls: Calls, open_worker: OpenWorker, queue_name: str
) -> None:
    unserved = calls.enqueue_new(queue_name, 5000, "other")
    ids = calls.enqueue_new(queue_name, 5)
    worker, other = open_worker(), open_worker(task_types=["other"])
    assert [task["job_id"] for task in worker.claim()] == ids
    pass_by(calls, worker, queue_name, 5)
    assert {task["job_id"] for task in other.claim_all(1000)} == set(unserved)


def test_a_worker_that_serves_a_type_more_looks_from_the_start(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    waiting = calls.enqueue_new(queue_name, 5, "other")
    pass_by(calls, worker, queue_name, 5)
    worker.task_types = ["count", "other"]
    assert [task["job_id"] for task in worker.claim()] == waiting


def test_ten_thousand_due_at_one_moment(calls: Calls, open_worker: OpenWorker, queue_name: str) -> None:
    workers = [open_worker() for _ in range(3)]
    ids = calls.enqueue_new(queue_name, 10_000, delay_seconds=3600)
    for worker in workers:
        worker.claim()
    calls.connection.execute("update job_tasks set run_at = (select clock_timestamp())")
    assert calls.value("select count(distinct run_at) from job_tasks") == 1
    found = together(*(lambda worker=worker: drain(worker, 500) for worker in workers))
    claimed = [task["job_id"] for tasks in found for task in tasks]
    assert len(claimed) == 10_000
    assert set(claimed) == set(ids)


def drain(worker: Worker, want: int) -> list[dict[str, Any]]:
    found = []
    idle = 0
    while idle < 10:
        tasks = worker.claim(want)
        found += tasks
        idle = 0 if tasks or worker.last["more"] else idle + 1
    return found


def test_retries_and_hand_backs_come_again(calls: Calls, worker: Worker, queue_name: str) -> None:
    ids = calls.enqueue_new(queue_name, 60, max_attempts=2)
    seen: Counter[str] = Counter()
    for _ in range(3):
        tasks = worker.claim_all()
        seen.update(task["job_id"] for task in tasks)
        worker.finish(
            endings(tasks[:20], "retry", after_seconds=0)
            + endings(tasks[20:40], "not_started")
            + endings(tasks[40:], "snooze", after_seconds=0)
        )
    assert set(seen) == set(ids)
    assert sum(seen.values()) == calls.value("select sum(lease_token) from job_tasks")


def test_the_floor_keeps_up_with_many_workers(calls: Calls, open_worker: OpenWorker, queue_name: str) -> None:
    """Otherwise each worker would walk ever more of what the others have taken."""
    workers = [open_worker() for _ in range(6)]
    for _ in range(40):
        for worker in workers:
            calls.enqueue_new(queue_name, 50)
            worker.finish(endings(worker.claim(50), "done"))
    for worker in workers:
        ready = worker.marks[queue_name]["ready"]
        assert ready["at"] - ready["floor"] <= 20 * 6 * 50


def test_workers_and_enqueuers_at_once_lose_and_repeat_nothing(
    calls: Calls, open_worker: OpenWorker, connect: Connect, queue_name: str
) -> None:
    """Three enqueuers, some committing late; three workers with every outcome, some of which vanish."""
    enqueuers = [Calls(connect()) for _ in range(3)]
    workers = [open_worker() for _ in range(3)]
    done = threading.Event()
    all_enqueued = threading.Barrier(len(enqueuers), action=done.set)

    def enqueue(session: Calls, seed: int) -> list[str]:
        chance = random.Random(seed)
        ids: list[str] = []
        for _ in range(60):
            with open_transaction(session.connection):
                ids += session.enqueue_new(queue_name, chance.randint(1, 20), max_attempts=1000)
                ids += session.enqueue_new(queue_name, 2, delay_seconds=0.01, max_attempts=1000)
        all_enqueued.wait()
        return ids

    def work(worker: Worker, seed: int) -> list[str]:
        chance = random.Random(seed)
        finished: list[str] = []
        idle = 0
        while idle < SOON or not done.is_set():
            tasks = worker.claim(chance.randint(1, 30), lease_seconds=60)
            idle = 0 if tasks or worker.last["wait_seconds"] or worker.last["more"] else idle + 1
            outcomes = chance.choices(
                ["done", "retry", "not_started", "vanish"], [80, 10, 9, 1], k=len(tasks)
            )
            ends = [
                ending
                for task, outcome in zip(tasks, outcomes, strict=True)
                if outcome != "vanish"
                for ending in endings([task], outcome, after_seconds=0.001)
            ]
            expire(worker.connection, [t for t, o in zip(tasks, outcomes, strict=True) if o == "vanish"])
            finished += [row["job_id"] for row in worker.finish(ends) if row["status"] == "completed"]
            worker.look_again_for_expired()
        return finished

    replies = together(
        *(lambda s=session, n=n: enqueue(s, n) for n, session in enumerate(enqueuers)),
        *(lambda w=worker, n=n: work(w, n) for n, worker in enumerate(workers)),
    )
    enqueued = [job_id for reply in replies[:3] for job_id in reply]
    finished = [job_id for reply in replies[3:] for job_id in reply]
    assert len(finished) == len(set(finished))
    statuses = dict(calls.connection.execute("select status, count(*) from jobs group by 1").fetchall())
    lost = statuses.get("failed", 0)
    assert statuses == Counter({"completed": len(enqueued)}), f"{lost} failed"
    assert set(finished) == set(enqueued)
