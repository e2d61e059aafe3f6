"""Sessions at the same unique keys: in every order one of them holds a key, and none waits in a circle."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
import pytest

from tests.sql.calls import Calls, Worker, answers, endings
from tests.sql.sessions import blocked, open_transaction, together
from tests.sql.test_uniqueness import told, unique

Connect = Callable[[], psycopg.Connection[Any]]
OpenWorker = Callable[..., Worker]

ROUNDS = 10


def test_of_many_sessions_one_creates(calls: Calls, connect: Connect, queue_name: str) -> None:
    sessions = [Calls(connect()) for _ in range(4)]
    for n in range(ROUNDS):
        jobs = [unique(queue_name, str(n)) for _ in sessions]
        replies = together(*(partial(s.enqueue, job) for s, job in zip(sessions, jobs, strict=True)))
        assert (
            sorted(answers(row for reply in replies for row in reply)) == ["created"] + ["deduplicated"] * 3
        )


@pytest.mark.parametrize("conflict", ["reject", "replace"])
def test_batches_in_cross_order_do_not_deadlock(
    calls: Calls, connect: Connect, queue_name: str, conflict: str
) -> None:
    """With keys that are new, held by jobs that wait, and held by windows that are over."""
    one, other = Calls(connect()), Calls(connect())
    for n in range(ROUNDS):
        keys = [f"{n}-{i}" for i in range(60)]
        calls.enqueue(*(unique(queue_name, key) for key in keys[::3]))
        calls.enqueue(*(unique(queue_name, key, until=60) for key in keys[1::3]))
        calls.connection.execute("update job_unique_keys set expires_at = now() where expires_at is not null")
        replies = together(
            partial(one.enqueue, *(unique(queue_name, key, conflict=conflict) for key in keys)),
            partial(other.enqueue, *(unique(queue_name, key, conflict=conflict) for key in keys[::-1])),
        )
        assert answers(row for reply in replies for row in reply).count("created") == 40


def test_a_repeat_that_overtakes_is_answered_as_the_first(
    calls: Calls, connect: Connect, queue_name: str
) -> None:
    one, other = Calls(connect()), Calls(connect())
    jobs = [unique(queue_name), unique(queue_name)]
    one.connection.execute("begin")
    one.enqueue(*jobs)
    with blocked(lambda: other.enqueue(*jobs), other.connection, calls.connection) as answer:
        one.connection.execute("commit")
    assert told(answer.result()) == [("exists", None), ("deduplicated", jobs[0]["job_id"])]


def test_a_key_whose_holder_was_rolled_back_goes_to_who_waits(
    calls: Calls, connect: Connect, queue_name: str
) -> None:
    one, other = Calls(connect()), Calls(connect())
    one.connection.execute("begin")
    one.enqueue(unique(queue_name))
    with blocked(lambda: other.enqueue(unique(queue_name)), other.connection, calls.connection) as answer:
        one.connection.execute("rollback")
    assert told(answer.result()) == [("created", None)]


def test_to_be_rejected_waits_for_no_claim(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    first = unique(queue_name)
    calls.enqueue(first)
    with open_transaction(worker.connection):
        held = worker.claim()
        assert told(calls.enqueue(unique(queue_name))) == [("deduplicated", first["job_id"])]
        worker.heartbeat(held, started=held)
        assert told(calls.enqueue(unique(queue_name))) == [("deduplicated", first["job_id"])]


def test_what_replaces_waits_for_the_claim_and_then_takes_the_key(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    first = unique(queue_name, until="started")
    newer = unique(queue_name, until="started", conflict="replace", payload="new")
    other = Calls(connect())
    calls.enqueue(first)
    worker.connection.execute("begin")
    worker.claim()
    with blocked(lambda: other.enqueue(newer), other.connection, calls.connection) as answer:
        worker.connection.execute("commit")
    assert told(answer.result()) == [("created", None)]
    assert [task["job_id"] for task in worker.claim_all()] == [newer["job_id"]]


def test_what_replaces_finds_the_key_free_after_the_start(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    other = Calls(connect())
    calls.enqueue(unique(queue_name, until="started"))
    held = worker.claim()
    worker.connection.execute("begin")
    worker.heartbeat(held, started=held)
    newer = unique(queue_name, until="started", conflict="replace")
    with blocked(lambda: other.enqueue(newer), other.connection, calls.connection) as answer:
        worker.connection.execute("commit")
    assert told(answer.result()) == [("created", None)]


def test_keys_that_are_taken_replaced_and_freed_at_once_never_deadlock_and_lose_nothing(
    calls: Calls, connect: Connect, open_worker: OpenWorker, queue_name: str
) -> None:
    """Two producers, two workers and a pruning at four keys; at the end every check of the queue passes."""
    workers = [open_worker() for _ in range(2)]
    producers = [Calls(connect()) for _ in range(2)]
    accepted: list[str] = []

    def produce(session: Calls, chance: random.Random) -> None:
        for n in range(30):
            jobs = [
                unique(
                    queue_name,
                    chance.choice("abcd"),
                    until=chance.choice(["started", "finished", 0.001]),
                    conflict=chance.choice(["reject", "replace", "push_back"]),
                    payload=n,
                )
                for _ in range(8)
            ]
            accepted.extend(row["job_id"] for row in session.enqueue(*jobs) if row["answer"] == "created")

    def work(worker: Worker, chance: random.Random) -> None:
        for _ in range(60):
            held = worker.claim(chance.randint(1, 5))
            started = [task for task in held if chance.random() < 0.5]
            worker.heartbeat(held, started=started)
            worker.finish(endings(held, chance.choice(["done", "not_started", "retry"]), after_seconds=0))

    together(
        *(partial(produce, session, random.Random(n)) for n, session in enumerate(producers)),
        *(partial(work, worker, random.Random(n)) for n, worker in enumerate(workers)),
    )
    for worker in workers:
        worker.finish(endings(worker.claim_all(100), "done"))
    ended = calls.get(*accepted)
    assert {job["status"] for job in ended} <= {"completed", "failed"}
    assert calls.value("select count(*) from job_unique_keys where expires_at is null") == 0
