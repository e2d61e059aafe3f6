"""claim_job_tasks_v1: what is leased to whom, what a repeat is told, and the rescue inside it."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest

from tests.sql.calls import Calls, Worker, answers, endings, expire, leases

OpenWorker = Callable[..., Worker]


def test_a_claim_answers_tasks_with_their_payloads(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name, payload={"path": "a.py"}, max_attempts=3)
    [task] = worker.claim()
    waited = task.pop("waited_seconds")
    assert 0 <= waited < 60
    assert task == {
        "job_id": job_id,
        "task_number": 0,
        "queue": queue_name,
        "task_type": "count",
        "payload": {"path": "a.py"},
        "lease_token": 1,
        "attempt": 1,
        "max_attempts": 3,
        "timeout_seconds": None,
        "deadline_in_seconds": None,
        "checkpoint": None,
        "purpose": "run",
    }
    assert calls.status(job_id) == "processing"
    assert calls.task(job_id)["worker_id"] == worker.worker_id


def test_no_more_than_wanted_oldest_first(calls: Calls, worker: Worker, queue_name: str) -> None:
    ids = calls.enqueue_new(queue_name, 7)
    assert [task["job_id"] for task in worker.claim(3)] == ids[:3]
    assert worker.last["more"] is True
    assert [task["job_id"] for task in worker.claim(10)] == ids[3:]
    assert worker.last["more"] is False
    assert worker.claim() == []


def test_a_claim_that_wants_nothing_still_rescues(
    calls: Calls, worker: Worker, open_worker: OpenWorker, queue_name: str
) -> None:
    calls.enqueue_new(queue_name)
    held = worker.claim()
    expire(calls.connection, held)
    rescuer = open_worker()
    assert rescuer.claim(0) == []
    assert answers(worker.heartbeat(held)) == ["lost"]
    assert [task["lease_token"] for task in rescuer.claim()] == [2]


def test_only_the_queues_and_types_asked_for(calls: Calls, open_worker: OpenWorker, queue_name: str) -> None:
    mine = calls.enqueue_new(queue_name, task_type="a")
    calls.enqueue_new(queue_name, task_type="b")
    calls.enqueue_new("another", task_type="a")
    assert [task["job_id"] for task in open_worker(task_types=["a", "c"]).claim_all()] == mine


def test_several_queues_in_one_claim(calls: Calls, open_worker: OpenWorker) -> None:
    ids = {job_id for queue in ("x", "y", "z") for job_id in calls.enqueue_new(queue, 4)}
    worker = open_worker(queues=["x", "y", "z", "x"])
    assert {task["job_id"] for task in worker.claim_all(5)} == ids
    assert set(worker.marks) == {"x", "y", "z"}


def test_a_repeat_is_answered_with_what_is_still_held(calls: Calls, worker: Worker, queue_name: str) -> None:
    calls.enqueue_new(queue_name, 10)
    request_id = str(uuid4())
    first = worker.claim(5, request_id=request_id, marks={})
    assert leases(worker.claim(5, request_id=request_id, marks={})) == leases(first)
    worker.finish(endings(first[:2], "done") + endings(first[2:3], "retry", after_seconds=0))
    assert leases(worker.claim(5, request_id=request_id)) == leases(first[3:])
    assert calls.value("select count(*) from job_tasks where status = 'claimed'") == 2


def test_a_repeat_under_another_name_gets_nothing(
    calls: Calls, worker: Worker, open_worker: OpenWorker, queue_name: str
) -> None:
    calls.enqueue_new(queue_name, 2)
    request_id = str(uuid4())
    assert len(worker.claim(1, request_id=request_id)) == 1
    assert open_worker().claim(1, request_id=request_id) == []


def test_starts_are_reported_with_the_next_claim(calls: Calls, worker: Worker, queue_name: str) -> None:
    ids = calls.enqueue_new(queue_name, 2)
    held = worker.claim()
    worker.claim(started=leases(held[:1]))
    assert [calls.task(job_id)["status"] for job_id in ids] == ["processing", "claimed"]


def test_an_expired_lease_that_nobody_took_over_is_still_held(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    ids = calls.enqueue_new(queue_name, 2)
    held = worker.claim()
    expire(calls.connection, held)
    assert answers(worker.heartbeat(held[:1])) == ["held"]
    assert answers(worker.finish(endings(held[1:], "done"))) == ["recorded"]
    assert calls.status(ids[1]) == "completed"


@pytest.mark.parametrize(("started", "attempts"), [(False, 0), (True, 1)])
def test_a_lost_lease_costs_an_attempt_only_inside_the_handler(
    calls: Calls, worker: Worker, open_worker: OpenWorker, queue_name: str, started: bool, attempts: int
) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    held = worker.claim()
    worker.heartbeat(held, started=held if started else [])
    expire(calls.connection, held)
    assert [task["attempt"] for task in open_worker().claim()] == [attempts + 1]
    task = calls.task(job_id)
    assert (task["attempts"], task["lost_leases"]) == (attempts, 1)
    assert (task["history"][0]["outcome"], task["history"][0]["status_after"]) == ("lease_lost", "pending")


def test_a_task_that_keeps_losing_its_lease_fails(calls: Calls, worker: Worker, queue_name: str) -> None:
    """It was never started, so no attempt is spent; the sixth lost lease ends it all the same."""
    [job_id] = calls.enqueue_new(queue_name)
    for _ in range(6):
        expire(calls.connection, worker.claim())
        worker.look_again_for_expired()
    assert worker.claim() == []
    task = calls.task(job_id)
    assert (task["status"], task["attempts"], task["lost_leases"]) == ("failed", 0, 6)
    assert task["error"]["type"] == "LeaseLost"
    assert calls.status(job_id) == "failed"


def test_leases_lost_inside_the_handler_use_up_the_attempts(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name, max_attempts=2)
    for _ in range(2):
        held = worker.claim()
        worker.heartbeat(held, started=held)
        expire(calls.connection, held)
        worker.look_again_for_expired()
    assert worker.claim() == []
    assert calls.task(job_id)["attempts"] == 2
    assert calls.status(job_id) == "failed"


def test_wait_seconds_says_when_the_next_task_is_due(calls: Calls, worker: Worker, queue_name: str) -> None:
    assert (worker.claim(), worker.last["wait_seconds"]) == ([], None)
    calls.enqueue_new(queue_name, delay_seconds=100)
    assert worker.claim() == []
    assert 90 < worker.last["wait_seconds"] <= 100


def test_more_is_told_while_due_tasks_wait_to_be_promoted(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    ids = calls.enqueue_new(queue_name, 1000, delay_seconds=3600)
    calls.connection.execute("update job_tasks set run_at = clock_timestamp()")
    found = worker.claim(1000)
    while worker.last["more"]:
        found += worker.claim(1000)
    assert {task["job_id"] for task in found} == set(ids)


def test_a_worker_outlives_the_restore_of_an_older_database(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    """Positions begin again below the worker's marks."""
    calls.enqueue_new(queue_name, 50)
    worker.finish(endings(worker.claim_all(50), "done"))
    calls.connection.execute("delete from jobs")
    calls.connection.execute("alter sequence job_task_position restart")
    ids = calls.enqueue_new(queue_name, 5)
    assert [task["job_id"] for task in worker.claim()] == ids


def test_marks_of_another_server_do_not_count(calls: Calls, worker: Worker, queue_name: str) -> None:
    """After a restart the sequence may have passed the marks again before the worker's next claim."""
    worker.claim_all()
    for mark in worker.marks.values():
        mark["server"] = "2001-01-01 00:00:00+00"
        mark["ready"] |= {"at": 3, "floor": 3, "walk": 3}
    ids = calls.enqueue_new(queue_name, 5)
    assert [task["job_id"] for task in worker.claim()] == ids


def test_a_clock_that_was_set_back_hides_nothing(calls: Calls, worker: Worker, queue_name: str) -> None:
    worker.claim_all()
    for mark in worker.marks.values():
        for axis in ("due", "leased", "deadline"):
            mark[axis] |= {name: mark[axis][name] + 3_600_000_000 for name in ("at", "floor", "walk")}
    [job_id] = calls.enqueue_new(queue_name, delay_seconds=3600)
    calls.connection.execute("update job_tasks set run_at = clock_timestamp()")
    assert [task["job_id"] for task in worker.claim_all()] == [job_id]
