"""enqueue_jobs_v1: what is stored, and what a repeat is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from supaqueue.job_id import bucket_of, new_job_id
from tests.sql.calls import Calls, Worker, answers, endings, new_job


def test_a_job_is_stored_with_one_task(calls: Calls, queue_name: str) -> None:
    job = new_job(queue_name, payload={"n": 1.50, "text": "æ"}, tags=["a", "b"], max_attempts=7)
    assert calls.enqueue(job) == [
        {"job_id": job["job_id"], "answer": "created", "owner": "supabase", "epoch": 0}
    ]
    stored = calls.job(job["job_id"])
    assert (stored["status"], stored["owner"], stored["queue"]) == ("pending", "supabase", queue_name)
    assert stored["tags"] == ["a", "b"]
    task = stored["tasks"][0]
    assert (task["payload"], task["max_attempts"], task["attempts"]) == ({"n": 1.50, "text": "æ"}, 7, 0)
    bucket = calls.value("select bucket from jobs where job_id = %s", [job["job_id"]])
    assert bucket == bucket_of(job["job_id"])


def test_a_repeat_exists_and_other_content_conflicts(calls: Calls, queue_name: str) -> None:
    job = new_job(queue_name, payload={"a": 1, "b": [1, 2]})
    reordered = job | {"payload": {"b": [1, 2], "a": 1}}
    changes: list[dict[str, Any]] = [{"payload": {}}, {"max_attempts": 2}, {"queue": "other"}]
    altered = [job | change for change in changes]
    assert answers(calls.enqueue(job)) == ["created"]
    assert answers(calls.enqueue(reordered, *altered)) == ["exists", "conflict", "conflict", "conflict"]
    assert calls.task(job["job_id"])["payload"] == job["payload"]


def test_answers_come_in_the_order_asked(calls: Calls, queue_name: str) -> None:
    old, new, twice = (new_job(queue_name) for _ in range(3))
    calls.enqueue(old)
    jobs = [twice, old | {"payload": 1}, new, twice, old, twice | {"payload": 2}]
    reply = calls.enqueue(*jobs)
    assert [row["job_id"] for row in reply] == [job["job_id"] for job in jobs]
    assert answers(reply) == ["created", "conflict", "created", "exists", "exists", "conflict"]


def test_a_repeat_after_the_job_ran_exists(calls: Calls, worker: Worker, queue_name: str) -> None:
    job = new_job(queue_name)
    calls.enqueue(job)
    worker.finish(endings(worker.claim(), "done"))
    assert answers(calls.enqueue(job)) == ["exists"]
    assert calls.status(job["job_id"]) == "completed"


def test_tasks_are_ready_in_the_order_given(calls: Calls, worker: Worker, queue_name: str) -> None:
    jobs = sorted((new_job(queue_name) for _ in range(20)), key=lambda job: str(job["job_id"]), reverse=True)
    calls.enqueue(*jobs)
    assert [task["job_id"] for task in worker.claim(20)] == [job["job_id"] for job in jobs]


@pytest.mark.parametrize("later", [{"delay_seconds": 3600}, {"run_at": "2200-01-01T00:00:00+02:00"}])
def test_a_later_job_waits_for_its_time(
    calls: Calls, worker: Worker, queue_name: str, later: dict[str, Any]
) -> None:
    [job_id] = calls.enqueue_new(queue_name, **later)
    assert worker.claim_all() == []
    assert worker.last["wait_seconds"] > 3500
    assert calls.value("select position from job_tasks where job_id = %s", [job_id]) is None


def test_a_run_at_in_the_past_is_ready_at_once(calls: Calls, worker: Worker, queue_name: str) -> None:
    past = datetime.now(UTC) - timedelta(days=1)
    [job_id] = calls.enqueue_new(queue_name, run_at=past.isoformat())
    assert [task["job_id"] for task in worker.claim()] == [job_id]


def test_nothing_to_enqueue_is_no_error(calls: Calls) -> None:
    assert calls.enqueue() == []


def test_a_batch_is_stored_whole_or_not_at_all(calls: Calls, queue_name: str) -> None:
    """An option out of range in the last of many leaves none of them."""
    jobs = [new_job(queue_name) for _ in range(99)]
    with pytest.raises(Exception, match=r"jobs\[99\]\.max_attempts"):
        calls.enqueue(*jobs, new_job(queue_name, max_attempts=0))
    assert calls.value("select count(*) from jobs") == 0


def test_many_in_one_call(calls: Calls, queue_name: str) -> None:
    jobs = [new_job(queue_name) for _ in range(10_000)]
    assert answers(calls.enqueue(*jobs)) == ["created"] * 10_000
    assert answers(calls.enqueue(*jobs)) == ["exists"] * 10_000
    with pytest.raises(Exception, match="at most 10000"):
        calls.enqueue(*jobs, new_job(queue_name))


def test_an_id_without_a_bucket_is_refused(calls: Calls, queue_name: str) -> None:
    job_id = new_job_id()[:-4] + "bfff"
    with pytest.raises(Exception, match=r"jobs\[0\]\.job_id: .* bucket"):
        calls.enqueue(new_job(queue_name, job_id=job_id))
