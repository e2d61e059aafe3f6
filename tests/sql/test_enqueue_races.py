"""Two sessions at the same new ids: in every order the end is that of one after the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg

from tests.sql.calls import Calls, Worker, answers, new_job
from tests.sql.sessions import blocked, together

Connect = Callable[[], psycopg.Connection[Any]]

ROUNDS = 20


def test_enqueues_of_the_same_ids_in_opposite_order_do_not_deadlock(
    calls: Calls, connect: Connect, queue_name: str
) -> None:
    one, other = Calls(connect()), Calls(connect())
    for _ in range(ROUNDS):
        jobs = [new_job(queue_name) for _ in range(200)]
        replies = together(partial(one.enqueue, *jobs), partial(other.enqueue, *jobs[::-1]))
        told = {row["answer"] for reply in replies for row in reply}
        created = [row["job_id"] for reply in replies for row in reply if row["answer"] == "created"]
        assert told == {"created", "exists"}
        assert sorted(created) == sorted(job["job_id"] for job in jobs)


def test_an_enqueue_waits_for_the_same_id_and_then_exists(
    calls: Calls, connect: Connect, queue_name: str
) -> None:
    one, other = Calls(connect()), Calls(connect())
    job = new_job(queue_name)
    one.connection.execute("begin")
    one.enqueue(job)
    with blocked(lambda: other.enqueue(job), other.connection, calls.connection) as answer:
        one.connection.execute("commit")
    assert answers(answer.result()) == ["exists"]


def test_an_abandon_behind_the_enqueue_cancels_it(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    enqueuer, abandoner = Calls(connect()), Calls(connect())
    job = new_job(queue_name)
    enqueuer.connection.execute("begin")
    enqueuer.enqueue(job)
    with blocked(lambda: abandoner.abandon(job["job_id"]), abandoner.connection, calls.connection) as answer:
        enqueuer.connection.execute("commit")
    assert answer.result() == ["cancelled"]
    assert worker.claim_all() == []


def test_an_enqueue_behind_its_abandon_conflicts(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    enqueuer, abandoner = Calls(connect()), Calls(connect())
    job = new_job(queue_name)
    abandoner.connection.execute("begin")
    abandoner.abandon(job["job_id"])
    with blocked(lambda: enqueuer.enqueue(job), enqueuer.connection, calls.connection) as answer:
        abandoner.connection.execute("commit")
    assert answers(answer.result()) == ["conflict"]
    assert worker.claim_all() == []


def test_abandons_and_enqueues_of_many_do_not_deadlock(
    calls: Calls, connect: Connect, queue_name: str
) -> None:
    sessions = [Calls(connect()) for _ in range(4)]
    for _ in range(ROUNDS):
        jobs = [new_job(queue_name) for _ in range(50)]
        ids = [job["job_id"] for job in jobs]
        together(
            partial(sessions[0].enqueue, *jobs),
            partial(sessions[1].abandon, *ids[::-1]),
            partial(sessions[2].cancel, *ids),
            partial(sessions[3].enqueue, *jobs[::-1]),
        )
        assert {calls.value("select status from jobs where job_id = %s", [job_id]) for job_id in ids} == {
            "cancelled"
        }
