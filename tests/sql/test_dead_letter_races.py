"""Replays, drops, cancels and deadlines in two sessions at once: the end is that of one after the other."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
import pytest

from tests.sql.calls import Calls, Row, Worker, answers, endings, leases, pass_deadline
from tests.sql.sessions import blocked, open_transaction, together, wait_until
from tests.sql.test_finish import add_task

OpenWorker = Callable[..., Worker]
Connect = Callable[[], psycopg.Connection[Any]]

ROUNDS = 20


@pytest.fixture
def operator(connect: Connect) -> Calls:
    return Calls(connect())


def test_a_drop_behind_a_replay_finds_it_alive(
    calls: Calls, worker: Worker, connect: Connect, operator: Calls, queue_name: str
) -> None:
    dropper = Calls(connect())
    [job_id] = calls.enqueue_new(queue_name)
    dead = worker.fail()
    operator.connection.execute("begin")
    assert operator.replay(*dead) == ["replayed"]
    with blocked(lambda: dropper.drop(*dead), dropper.connection, calls.connection) as answer:
        operator.connection.execute("commit")
    assert answer.result() == ["not_failed"]
    assert calls.status(job_id) == "pending"
    assert len(worker.claim()) == 1


def test_a_replay_behind_a_drop_finds_nothing(
    calls: Calls, worker: Worker, connect: Connect, operator: Calls, queue_name: str
) -> None:
    replayer = Calls(connect())
    calls.enqueue_new(queue_name)
    dead = worker.fail()
    operator.connection.execute("begin")
    assert operator.drop(*dead) == ["dropped"]
    with blocked(lambda: replayer.replay(*dead), replayer.connection, calls.connection) as answer:
        operator.connection.execute("commit")
    assert answer.result() == ["unknown"]
    assert worker.claim_all() == []


def test_two_replays_at_once_are_one(
    calls: Calls, worker: Worker, connect: Connect, operator: Calls, queue_name: str
) -> None:
    other = Calls(connect())
    job_ids = calls.enqueue_new(queue_name, 50)
    for n in range(ROUNDS):
        dead = worker.fail(50)
        both = together(partial(operator.replay, *dead), partial(other.replay, *dead[::-1]))
        assert both == [["replayed"] * 50] * 2
        assert {calls.task(job_id)["max_attempts"] for job_id in job_ids[:3]} == {6 + n}
    assert len(worker.claim_all(50)) == 50


def test_two_drops_at_once_are_one(
    calls: Calls, worker: Worker, connect: Connect, operator: Calls, queue_name: str
) -> None:
    other = Calls(connect())
    for _ in range(ROUNDS):
        calls.enqueue_new(queue_name, 20)
        dead = worker.fail(20)
        both = together(partial(operator.drop, *dead), partial(other.drop, *dead[::-1]))
        assert both == [["dropped"] * 20] * 2


def test_a_cancel_behind_a_replay_cancels(
    calls: Calls, worker: Worker, connect: Connect, operator: Calls, queue_name: str
) -> None:
    canceller = Calls(connect())
    [job_id] = calls.enqueue_new(queue_name)
    dead = worker.fail()
    operator.connection.execute("begin")
    operator.replay(*dead)
    with blocked(lambda: canceller.cancel(job_id), canceller.connection, calls.connection) as answer:
        operator.connection.execute("commit")
    assert answer.result() == ["cancelled"]
    assert worker.claim_all() == []
    assert calls.replay(*dead) == ["replayed"]
    assert calls.status(job_id) == "cancelled"


def test_a_replay_behind_a_cancel_runs_again(
    calls: Calls, worker: Worker, connect: Connect, operator: Calls, queue_name: str
) -> None:
    replayer = Calls(connect())
    [job_id] = calls.enqueue_new(queue_name)
    dead = worker.fail()
    operator.connection.execute("begin")
    assert operator.cancel(job_id) == ["finished"]
    with blocked(lambda: replayer.replay(*dead), replayer.connection, calls.connection) as answer:
        operator.connection.execute("commit")
    assert answer.result() == ["replayed"]
    assert [task["job_id"] for task in worker.claim_all()] == [job_id]


def test_a_claim_passes_over_what_is_being_replayed(
    calls: Calls, worker: Worker, open_worker: OpenWorker, operator: Calls, queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    dead = worker.fail()
    other = open_worker()
    with open_transaction(operator.connection):
        operator.replay(*dead)
        assert other.claim_all() == []
    assert [task["job_id"] for task in other.claim_all()] == [job_id]


def test_a_look_for_deadlines_passes_over_what_is_being_leased(
    calls: Calls, open_worker: OpenWorker, queue_name: str
) -> None:
    leaser, looker = open_worker(), open_worker()
    job_ids = calls.enqueue_new(queue_name, deadline_seconds=60)
    with open_transaction(leaser.connection):
        held = leaser.claim()
        assert len(held) == 1
        looker.claim()
        assert looker.last["failed"] == []
    pass_deadline(calls.connection, job_ids)
    looker.look_again_for_deadlines()
    looker.claim()
    assert looker.last["failed"] == []
    assert answers(leaser.finish(endings(held, "done"))) == ["recorded"]
    assert calls.status(job_ids[0]) == "completed"


def test_a_claim_passes_over_what_is_being_failed(
    calls: Calls, open_worker: OpenWorker, queue_name: str
) -> None:
    looker, leaser = open_worker(), open_worker()
    [late, good] = calls.enqueue_new(queue_name, 2, deadline_seconds=60)
    pass_deadline(calls.connection, [late])
    with open_transaction(looker.connection):
        looker.claim(0)
        assert [row["job_id"] for row in looker.last["failed"]] == [late]
        assert [task["job_id"] for task in leaser.claim()] == [good]
        assert leaser.last["failed"] == []
    leaser.look_again_for_deadlines()
    leaser.claim()
    assert leaser.last["failed"] == []
    assert calls.status(late) == "failed"


def test_a_cancel_behind_a_look_for_deadlines_finds_it_finished(
    calls: Calls, worker: Worker, operator: Calls, queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name, deadline_seconds=60)
    pass_deadline(calls.connection, [job_id])
    worker.connection.execute("begin")
    worker.claim(0)
    with blocked(lambda: operator.cancel(job_id), operator.connection, calls.connection) as answer:
        worker.connection.execute("commit")
    assert answer.result() == ["finished"]
    assert calls.status(job_id) == "failed"


def two_tasks_one_late(calls: Calls, worker: Worker, queue: str) -> tuple[str, list[Row]]:
    """A job of two tasks, of which one is held and the other waits beyond its deadline."""
    [job_id] = calls.enqueue_new(queue, deadline_seconds=60)
    add_task(calls, job_id)
    held = worker.claim(1)
    late = 1 - held[0]["task_number"]
    calls.connection.execute(
        "update job_tasks set deadline_at = clock_timestamp() where job_id = %s and task_number = %s",
        [job_id, late],
    )
    return job_id, held


def test_a_finish_behind_a_look_for_deadlines_counts_both(
    calls: Calls, worker: Worker, open_worker: OpenWorker, queue_name: str
) -> None:
    looker = open_worker()
    job_id, held = two_tasks_one_late(calls, worker, queue_name)
    looker.connection.execute("begin")
    looker.claim(0)
    assert len(looker.last["failed"]) == 1
    finish = partial(worker.finish, endings(held, "done"), worker_id=worker.worker_id)
    with blocked(finish, worker.connection, calls.connection) as answer:
        looker.connection.execute("commit")
    assert answers(answer.result()) == ["recorded"]
    assert calls.status(job_id) == "failed"


def test_a_look_for_deadlines_waits_for_no_finish(
    calls: Calls, worker: Worker, open_worker: OpenWorker, queue_name: str
) -> None:
    looker = open_worker()
    job_id, held = two_tasks_one_late(calls, worker, queue_name)
    with open_transaction(worker.connection):
        worker.finish(endings(held, "done"))
        looker.claim(0)
        assert looker.last["failed"] == []

    def is_told() -> bool:
        looker.claim(0)
        return [row["job_id"] for row in looker.last["failed"]] == [job_id]

    wait_until(is_told, "a later look finds what was passed over")
    assert calls.status(job_id) == "failed"


def test_a_retry_that_is_committed_behind_the_looks_is_failed_in_time(
    calls: Calls, worker: Worker, open_worker: OpenWorker, queue_name: str
) -> None:
    looker = open_worker()
    job_ids = calls.enqueue_new(queue_name, deadline_seconds=60)
    held = worker.claim()
    with open_transaction(worker.connection):
        worker.finish(endings(held, "retry", after_seconds=30))
        looker.claim_all()
    pass_deadline(calls.connection, job_ids)

    def is_told() -> bool:
        looker.claim(0)
        return [row["job_id"] for row in looker.last["failed"]] == job_ids

    wait_until(is_told, "the look ahead finds it")


@pytest.mark.timeout(180)
def test_everything_at_once_loses_nothing_and_never_deadlocks(
    calls: Calls, open_worker: OpenWorker, connect: Connect, queue_name: str
) -> None:
    """Workers with every outcome; operators that replay, drop, cancel, pause, resume. Checks follow."""
    job_ids = calls.enqueue_new(queue_name, 150, max_attempts=2, timeout_seconds=5)
    job_ids += calls.enqueue_new(queue_name, 50, deadline_seconds=0.5, retry_delay_seconds=0.2)
    stop = threading.Event()

    def work(worker: Worker, seed: int) -> None:
        chance = random.Random(seed)
        outcomes = ["done", "fail", "retry", "snooze", "park", "cancel", "not_started"]
        while not stop.is_set():
            held = worker.claim(chance.randint(1, 20))
            worker.heartbeat(held, started=held[::2], worker_id=worker.worker_id)
            ends = [e for task in held for e in endings([task], chance.choice(outcomes), after_seconds=0.01)]
            chance.shuffle(ends)
            worker.finish(ends, worker_id=worker.worker_id)
            worker.look_again_for_expired()

    def operate(operator: Calls, seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(80):
            dead = leases(operator.list_dead_letters()["dead_letters"])
            chance.shuffle(dead)
            operator.replay(*dead[:30])
            operator.drop(*dead[25:30])
            operator.cancel(*chance.sample(job_ids, 2))
            operator.pause(queue_name, seconds=0.01)
            operator.resume(queue_name)

    def operate_all() -> None:
        try:
            together(*(partial(operate, Calls(connect()), seed) for seed in range(2)))
        finally:
            stop.set()

    together(*(partial(work, open_worker(), seed) for seed in range(3)), operate_all)
    statuses = {job["status"] for job in calls.get(*job_ids) if job is not None}
    assert statuses <= {"pending", "processing", "completed", "failed", "cancelled"}
    assert calls.value("select count(*) from jobs") == 200
