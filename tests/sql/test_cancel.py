"""cancel_jobs_v1 and abandon_jobs_v1: what is taken back, and what had begun."""

from __future__ import annotations

import pytest

from supaqueue.job_id import new_job_id
from tests.sql.calls import Calls, Worker, answers, endings, expire, new_job
from tests.sql.test_finish import add_task


def test_a_waiting_job_is_cancelled_at_once(calls: Calls, worker: Worker, queue_name: str) -> None:
    now, later = calls.enqueue_new(queue_name) + calls.enqueue_new(queue_name, delay_seconds=60)
    assert calls.cancel(now, later) == ["cancelled", "cancelled"]
    assert [calls.status(job_id) for job_id in (now, later)] == ["cancelled", "cancelled"]
    assert calls.job(now)["finished_at"] is not None
    assert worker.claim_all() == []


def test_a_running_job_is_asked_to_stop(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    held = worker.claim()
    assert calls.cancel(job_id) == ["requested"]
    assert calls.job(job_id)["cancel_requested"] is True
    assert answers(worker.heartbeat(held)) == ["cancel"]
    worker.finish(endings(held, "cancel"))
    assert calls.status(job_id) == "cancelled"


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("done", "completed"),
        ("fail", "failed"),
        ("retry", "cancelled"),
        ("snooze", "cancelled"),
        ("not_started", "cancelled"),
    ],
)
def test_after_a_request_nothing_runs_again(
    calls: Calls, worker: Worker, queue_name: str, outcome: str, status: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    held = worker.claim()
    calls.cancel(job_id)
    assert worker.finish(endings(held, outcome))[0]["status"] == status
    assert calls.status(job_id) == status


def test_a_lost_lease_ends_a_job_that_was_to_stop(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    held = worker.claim()
    calls.cancel(job_id)
    expire(calls.connection, held)
    worker.look_again_for_expired()
    assert worker.claim() == []
    assert calls.status(job_id) == "cancelled"


def test_cancelling_again_is_answered_alike(calls: Calls, worker: Worker, queue_name: str) -> None:
    waiting, running, done = calls.enqueue_new(queue_name, 3)
    held = {task["job_id"]: task for task in worker.claim()}
    worker.finish(endings([held[done]], "done") + endings([held[waiting]], "snooze", after_seconds=60))
    asked = [done, running, waiting, new_job_id(), done]
    expected = ["finished", "requested", "cancelled", "unknown", "finished"]
    assert calls.cancel(*asked) == expected
    before = [calls.job(job_id) for job_id in (waiting, running, done)]
    assert calls.cancel(*asked) == expected
    assert [calls.job(job_id) for job_id in (waiting, running, done)] == before


def test_a_job_of_several_tasks_ends_with_the_last(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    add_task(calls, job_id)
    held = worker.claim(1)
    assert calls.cancel(job_id) == ["requested"]
    assert [task["status"] for task in calls.job(job_id)["tasks"]] == ["claimed", "cancelled"]
    worker.finish(endings(held, "done"))
    assert calls.status(job_id) == "cancelled"


def test_an_abandoned_id_is_taken_for_good(calls: Calls, queue_name: str) -> None:
    job = new_job(queue_name)
    assert calls.abandon(job["job_id"]) == ["abandoned"]
    assert answers(calls.enqueue(job)) == ["conflict"]
    assert calls.abandon(job["job_id"]) == ["abandoned"]
    assert calls.get(job["job_id"]) == [None]


def test_abandoning_a_waiting_job_cancels_it(calls: Calls, worker: Worker, queue_name: str) -> None:
    job = new_job(queue_name)
    calls.enqueue(job)
    assert calls.abandon(job["job_id"]) == ["cancelled"]
    before = calls.job(job["job_id"]), calls.value("select abandoned_at from jobs")
    assert calls.abandon(job["job_id"]) == ["cancelled"]
    assert (calls.job(job["job_id"]), calls.value("select abandoned_at from jobs")) == before
    assert answers(calls.enqueue(job)) == ["conflict"]
    assert worker.claim_all() == []


def test_what_was_handed_back_unstarted_can_be_abandoned(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    worker.finish(endings(worker.claim(), "not_started"))
    assert calls.abandon(job_id) == ["cancelled"]


@pytest.mark.parametrize("outcome", ["retry", "snooze", "done", "fail", "cancel", None])
def test_what_was_started_is_left_alone(
    calls: Calls, worker: Worker, queue_name: str, outcome: str | None
) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    held = worker.claim()
    if outcome:
        worker.finish(endings(held, outcome))
    before = calls.job(job_id)
    assert calls.abandon(job_id) == ["started"]
    assert calls.job(job_id) == before


def test_a_lost_lease_counts_as_a_start(calls: Calls, worker: Worker, queue_name: str) -> None:
    """Nobody knows what its worker did."""
    [job_id] = calls.enqueue_new(queue_name)
    expire(calls.connection, worker.claim())
    worker.look_again_for_expired()
    worker.claim(0)
    assert calls.abandon(job_id) == ["started"]


def test_abandoning_many_is_answered_in_order(calls: Calls, worker: Worker, queue_name: str) -> None:
    started, waiting = calls.enqueue_new(queue_name, 2)
    worker.claim(1)
    unknown = new_job_id()
    asked = [unknown, started, waiting, unknown]
    assert calls.abandon(*asked) == ["abandoned", "started", "cancelled", "abandoned"]
