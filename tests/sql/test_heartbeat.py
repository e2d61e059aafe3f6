"""heartbeat_job_tasks_v1: leases renewed, starts reported, orders heard."""

from __future__ import annotations

from collections.abc import Callable

from tests.sql.calls import Calls, Worker, answers, endings, expire

EXPIRY = "select lease_expires_at from job_tasks where job_id = %s"


def test_a_heartbeat_renews_the_lease(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    held = worker.claim(lease_seconds=1)
    before = calls.value(EXPIRY, [job_id])
    assert worker.heartbeat(held, lease_seconds=600) == [
        {"job_id": job_id, "task_number": 0, "lease_token": 1, "answer": "held"}
    ]
    assert (calls.value(EXPIRY, [job_id]) - before).total_seconds() > 500


def test_a_repeat_of_a_heartbeat_is_answered_alike(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    held = worker.claim()
    assert worker.heartbeat(held, started=held) == worker.heartbeat(held, started=held)
    assert calls.task(job_id)["status"] == "processing"


def test_the_first_report_of_a_start_counts(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    held = worker.claim()
    worker.heartbeat(held, started=held)
    first = calls.task(job_id)["started_at"]
    worker.heartbeat(held, started=held)
    assert calls.task(job_id)["started_at"] == first


def test_whoever_lost_the_lease_is_told_and_changes_nothing(
    calls: Calls, worker: Worker, open_worker: Callable[..., Worker], queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    old = worker.claim()
    expire(calls.connection, old)
    other = open_worker()
    assert len(other.claim()) == 1
    before = calls.task(job_id)
    assert answers(worker.heartbeat(old, started=old)) == ["lost"]
    assert calls.task(job_id) == before


def test_answers_come_in_the_order_asked(calls: Calls, worker: Worker, queue_name: str) -> None:
    calls.enqueue_new(queue_name, 3)
    first, second, third = worker.claim()
    worker.finish(endings([second], "done"))
    calls.cancel(third["job_id"])
    stranger = first | {"task_number": 5}
    asked = [third, stranger, second, first, first]
    assert answers(worker.heartbeat(asked)) == ["cancel", "lost", "lost", "held", "held"]


def test_a_heartbeat_without_tasks_says_that_the_worker_lives(calls: Calls, worker: Worker) -> None:
    row = {"worker_id": worker.worker_id, "queues": ["q"], "task_types": ["count"], "concurrency": 1}
    calls.call("register_worker_v1", worker=row)
    calls.connection.execute("update job_workers set last_seen_at = now() - interval '1 hour'")
    assert worker.heartbeat([], worker_id=worker.worker_id) == []
    assert [seen["worker_id"] for seen in calls.call("count_jobs_v1", queues=None)["workers"]] == [
        worker.worker_id
    ]
