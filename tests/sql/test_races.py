"""Two sessions at the same tasks: in every order the end is that of one after the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.sql.calls import Calls, Worker, answers, endings, expire, leases
from tests.sql.sessions import blocked, is_blocked, open_transaction, together, wait_until
from tests.sql.test_finish import add_task

OpenWorker = Callable[..., Worker]
Connect = Callable[[], psycopg.Connection[Any]]

ROUNDS = 20


def test_the_last_two_tasks_finished_at_once_complete_the_job(
    calls: Calls, open_worker: OpenWorker, queue_name: str
) -> None:
    first, second = open_worker(), open_worker()
    ids = []
    for _ in range(200):
        ids += calls.enqueue_new(queue_name)
        add_task(calls, ids[-1])
        one, other = first.claim(2)
        together(
            partial(first.finish, endings([one], "done")),
            partial(second.finish, endings([other], "done")),
        )
    statuses = [job["status"] for job in calls.get(*ids)]
    assert statuses == ["completed"] * 200


def test_the_second_of_the_last_two_waits_for_the_first(
    calls: Calls, open_worker: OpenWorker, queue_name: str
) -> None:
    """The same, with the one order that goes wrong if a single statement locks and decides."""
    first, second = open_worker(), open_worker()
    [job_id] = calls.enqueue_new(queue_name)
    add_task(calls, job_id)
    one, other = first.claim(2)
    first.connection.execute("begin")
    first.finish(endings([one], "done"))
    with blocked(lambda: second.finish(endings([other], "done")), second.connection, calls.connection):
        first.connection.execute("commit")
    assert calls.status(job_id) == "completed"


def test_claims_at_once_share_no_task(calls: Calls, open_worker: OpenWorker, queue_name: str) -> None:
    workers = [open_worker() for _ in range(4)]
    ids = calls.enqueue_new(queue_name, 2000)
    found = together(*(partial(worker.claim_all, 7) for worker in workers))
    claimed = [task["job_id"] for tasks in found for task in tasks]
    assert len(claimed) == 2000
    assert set(claimed) == set(ids)
    assert calls.value("select max(lease_token) from job_tasks") == 1


def test_a_claim_passes_over_what_another_holds(
    calls: Calls, open_worker: OpenWorker, queue_name: str
) -> None:
    first, second = open_worker(), open_worker()
    ids = calls.enqueue_new(queue_name, 10)
    with open_transaction(first.connection):
        mine = first.claim(5)
        theirs = second.claim(10)
    assert [task["job_id"] for task in mine] == ids[:5]
    assert {task["job_id"] for task in theirs} <= set(ids[5:])
    assert {task["job_id"] for task in theirs + second.claim_all()} == set(ids[5:])


@pytest.mark.parametrize("overtaking", [False, True], ids=["original first", "repeat first"])
def test_a_request_and_its_repeat_lease_once(
    calls: Calls, open_worker: OpenWorker, queue_name: str, overtaking: bool
) -> None:
    first, second = open_worker(worker_id="w"), open_worker(worker_id="w")
    original, repeat = (second, first) if overtaking else (first, second)
    for _ in range(ROUNDS):
        calls.enqueue_new(queue_name, 20)
        request_id = str(uuid4())
        repeat.marks = original.marks
        first.connection.execute("begin")
        mine = first.claim(10, request_id=request_id)
        with blocked(
            partial(second.claim, 10, request_id=request_id),
            second.connection,
            calls.connection,
        ) as answer:
            first.connection.execute("commit")
        assert leases(answer.result()) == leases(mine)
        assert len(mine) == 10
        held = "select count(*) from job_tasks where claim_request = %s"
        assert calls.value(held, [request_id]) == 10
        first.finish(endings(mine + first.claim_all(), "done"))


def test_a_repeat_claims_if_the_original_was_rolled_back(
    calls: Calls, open_worker: OpenWorker, queue_name: str
) -> None:
    original, repeat = open_worker(worker_id="w"), open_worker(worker_id="w")
    ids = calls.enqueue_new(queue_name, 5)
    request_id = str(uuid4())
    original.connection.execute("begin")
    original.claim(request_id=request_id)
    with blocked(lambda: repeat.claim(request_id=request_id), repeat.connection, calls.connection) as answer:
        original.connection.execute("rollback")
    assert [task["job_id"] for task in answer.result()] == ids


def test_a_rescue_waits_for_no_finish(calls: Calls, open_worker: OpenWorker, queue_name: str) -> None:
    """The finish came first, so it counts, although the lease had expired."""
    slow, rescuer = open_worker(), open_worker()
    [job_id] = calls.enqueue_new(queue_name)
    held = slow.claim()
    expire(calls.connection, held)
    with open_transaction(slow.connection):
        assert answers(slow.finish(endings(held, "done"))) == ["recorded"]
        assert rescuer.claim() == []
    assert rescuer.claim_all() == []
    assert calls.status(job_id) == "completed"


def test_a_finish_behind_a_rescue_is_lost(calls: Calls, open_worker: OpenWorker, queue_name: str) -> None:
    slow, rescuer = open_worker(), open_worker()
    calls.enqueue_new(queue_name)
    held = slow.claim()
    expire(calls.connection, held)
    rescuer.connection.execute("begin")
    current = rescuer.claim()
    assert len(current) == 1
    with blocked(lambda: slow.finish(endings(held, "done")), slow.connection, calls.connection) as answer:
        rescuer.connection.execute("commit")
    assert answers(answer.result()) == ["lost"]
    assert answers(rescuer.finish(endings(current, "done"))) == ["recorded"]


def test_a_heartbeat_behind_a_rescue_is_lost(calls: Calls, open_worker: OpenWorker, queue_name: str) -> None:
    slow, rescuer = open_worker(), open_worker()
    calls.enqueue_new(queue_name)
    held = slow.claim()
    expire(calls.connection, held)
    rescuer.connection.execute("begin")
    rescuer.claim(0)
    with blocked(lambda: slow.heartbeat(held), slow.connection, calls.connection) as answer:
        rescuer.connection.execute("commit")
    assert answers(answer.result()) == ["lost"]


def test_a_rescue_leaves_alone_what_a_heartbeat_is_renewing(
    calls: Calls, open_worker: OpenWorker, queue_name: str
) -> None:
    slow, rescuer = open_worker(), open_worker()
    [job_id] = calls.enqueue_new(queue_name)
    held = slow.claim()
    expire(calls.connection, held)
    with open_transaction(slow.connection):
        assert answers(slow.heartbeat(held)) == ["held"]
        assert rescuer.claim() == []
    rescuer.look_again_for_expired()
    assert rescuer.claim() == []
    assert calls.task(job_id)["lost_leases"] == 0


def test_a_cancel_behind_a_finish_finds_it_finished(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    canceller = Calls(connect())
    [job_id] = calls.enqueue_new(queue_name)
    held = worker.claim()
    worker.connection.execute("begin")
    worker.finish(endings(held, "done"))
    with blocked(lambda: canceller.cancel(job_id), canceller.connection, calls.connection) as answer:
        worker.connection.execute("commit")
    assert answer.result() == ["finished"]
    assert calls.status(job_id) == "completed"


def test_a_finish_behind_a_cancel_hears_of_it(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    """A retry would run again, so it ends the job instead."""
    canceller = Calls(connect())
    [job_id] = calls.enqueue_new(queue_name)
    held = worker.claim()
    canceller.connection.execute("begin")
    assert canceller.cancel(job_id) == ["requested"]
    with blocked(
        lambda: worker.finish(endings(held, "retry")), worker.connection, calls.connection
    ) as answer:
        canceller.connection.execute("commit")
    assert [row["status"] for row in answer.result()] == ["cancelled"]
    assert calls.status(job_id) == "cancelled"


def test_a_claim_passes_over_what_is_being_cancelled(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    canceller = Calls(connect())
    [job_id] = calls.enqueue_new(queue_name)
    with open_transaction(canceller.connection):
        assert canceller.cancel(job_id) == ["cancelled"]
        assert worker.claim() == []
    assert worker.claim_all() == []


def test_a_cancel_behind_a_claim_asks_its_worker(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    canceller = Calls(connect())
    [job_id] = calls.enqueue_new(queue_name)
    worker.connection.execute("begin")
    held = worker.claim()
    with blocked(lambda: canceller.cancel(job_id), canceller.connection, calls.connection) as answer:
        worker.connection.execute("commit")
    assert answer.result() == ["requested"]
    assert answers(worker.heartbeat(held)) == ["cancel"]
    worker.finish(endings(held, "cancel"))


def test_a_rolled_back_cancel_delays_a_task_and_does_not_lose_it(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    canceller = Calls(connect())
    [job_id] = calls.enqueue_new(queue_name)
    canceller.connection.execute("begin")
    canceller.cancel(job_id)
    assert worker.claim_all(idle_claims=10) == []
    canceller.connection.execute("rollback")
    assert [task["job_id"] for task in worker.claim_all()] == [job_id]


def test_finishes_and_heartbeats_of_many_in_opposite_order_do_not_deadlock(
    calls: Calls, open_worker: OpenWorker, queue_name: str
) -> None:
    one, other = open_worker(), open_worker()
    for _ in range(ROUNDS):
        calls.enqueue_new(queue_name, 100)
        held = one.claim(100)
        together(
            partial(one.finish, endings(held, "done")),
            partial(other.heartbeat, held[::-1], started=held[::-1]),
        )
    assert calls.value("select count(*) from jobs where status = 'completed'") == ROUNDS * 100


def test_a_claim_that_reports_starts_waits_for_those_jobs_alone(
    calls: Calls, open_worker: OpenWorker, queue_name: str
) -> None:
    """It waits for what it names, before it holds any job; whatever else is held it passes over."""
    worker, other = open_worker(), open_worker()
    started, _ = calls.enqueue_new(queue_name, 2)
    held = worker.claim(1)
    other.connection.execute("begin")
    other.heartbeat(held)
    with blocked(lambda: worker.claim(started=leases(held)), worker.connection, calls.connection) as answer:
        assert not is_blocked(calls.connection, other.connection)
        other.connection.execute("commit")
    assert len(answer.result()) == 1
    wait_until(lambda: calls.task(started)["status"] == "processing", "the start is recorded")
