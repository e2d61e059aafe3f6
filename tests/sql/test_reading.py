"""get_jobs_v1, list_jobs_v1, count_jobs_v1, register_worker_v1 and contract_version_v1."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from supaqueue.job_id import new_job_id
from tests.sql.calls import Calls, Worker, endings, new_job


def test_get_answers_in_the_order_asked(calls: Calls, queue_name: str) -> None:
    first, second = calls.enqueue_new(queue_name, 2)
    found = calls.get(second, new_job_id(), first, second)
    assert [job and job["job_id"] for job in found] == [second, None, first, second]


def test_payload_and_attempts_come_only_if_asked_for(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    worker.finish(endings(worker.claim(), "retry"))
    assert not {"payload", "history"} & set(calls.get(job_id)[0]["tasks"][0])
    assert {"payload", "history"} <= set(calls.job(job_id)["tasks"][0])


def test_the_last_twenty_leases_are_told(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    for _ in range(23):
        worker.finish(endings(worker.claim(), "snooze"))
    assert [row["lease_token"] for row in calls.task(job_id)["history"]] == list(range(4, 24))


def list_jobs(calls: Calls, page: str | None = None, page_size: int = 100, **narrowed: Any) -> Any:
    return calls.call("list_jobs_v1", filter=narrowed, page=page, page_size=page_size)


def test_pages_hold_every_job_once_newest_first(calls: Calls, queue_name: str) -> None:
    """Jobs of one call share a creation time, so pages must be cut by time and id."""
    ids = {job_id for _ in range(3) for job_id in calls.enqueue_new(queue_name, 7)}
    listed: list[dict[str, Any]] = []
    page = None
    while True:
        reply = list_jobs(calls, page, page_size=4)
        listed += reply["jobs"]
        page = reply["next_page"]
        if page is None:
            break
    assert len(listed) == 21
    assert {job["job_id"] for job in listed} == ids
    times = [datetime.fromisoformat(job["created_at"]) for job in listed]
    assert times == sorted(times, reverse=True)


def test_each_filter_narrows(calls: Calls, worker: Worker, queue_name: str) -> None:
    jobs = [new_job(queue_name, "a", tags=["red", "big"]), new_job(queue_name, "b"), new_job("other", "a")]
    for job in jobs:
        calls.enqueue(job)
    worker.task_types = ["b"]
    worker.finish(endings(worker.claim(), "done"))
    middle = calls.job(jobs[1]["job_id"])["created_at"]
    expected: list[tuple[dict[str, Any], list[int]]] = [
        ({}, [2, 1, 0]),
        ({"queue": queue_name}, [1, 0]),
        ({"queue": queue_name, "task_type": "a"}, [0]),
        ({"tag": "red"}, [0]),
        ({"tag": "blue"}, []),
        ({"status": "completed"}, [1]),
        ({"created_after": middle}, [2, 1]),
        ({"created_before": middle}, [0]),
        ({"queue": None}, [2, 1, 0]),
    ]
    for narrowed, places in expected:
        listed = [job["job_id"] for job in list_jobs(calls, **narrowed)["jobs"]]
        assert listed == [jobs[place]["job_id"] for place in places], narrowed


def test_a_tombstone_is_not_listed(calls: Calls) -> None:
    calls.abandon(new_job_id())
    assert list_jobs(calls) == {"jobs": [], "next_page": None}


def test_counts_by_queue_type_and_status(calls: Calls, worker: Worker, queue_name: str) -> None:
    calls.enqueue_new(queue_name, 3)
    calls.enqueue_new(queue_name, 1, "other", delay_seconds=60)
    worker.finish(endings(worker.claim(1), "done"))
    counts = calls.call("count_jobs_v1", queues=[queue_name])["counts"]
    found = {(row["task_type"], row["status"]): row["tasks"] for row in counts}
    assert found == {("count", "completed"): 1, ("count", "pending"): 2, ("other", "pending"): 1}
    waiting = {
        row["task_type"]: row["oldest_waiting_seconds"] for row in counts if row["status"] == "pending"
    }
    assert 0 <= waiting["count"] < 60
    assert waiting["other"] is None
    assert calls.call("count_jobs_v1", queues=["elsewhere"])["counts"] == []


def worker_row(**changes: Any) -> dict[str, Any]:
    return {
        "worker_id": "w1",
        "queues": ["q"],
        "task_types": ["count"],
        "concurrency": 4,
        "host": "box",
        "process_id": 4321,
        "version": "1.0",
    } | changes


def test_what_waits_and_nobody_serves_is_named(calls: Calls) -> None:
    calls.enqueue_new("q", 2)
    calls.enqueue_new("q", 1, "unheard")
    calls.call("register_worker_v1", worker=worker_row())
    stats = calls.call("count_jobs_v1", queues=None)
    assert stats["unserved"] == [{"queue": "q", "task_type": "unheard", "tasks": 1}]
    assert [(seen["worker_id"], seen["process_id"]) for seen in stats["workers"]] == [("w1", 4321)]
    calls.call("register_worker_v1", worker=worker_row(stopped=True))
    stats = calls.call("count_jobs_v1", queues=None)
    assert stats["workers"] == []
    assert [row["task_type"] for row in stats["unserved"]] == ["count", "unheard"]


def test_registering_again_says_what_is_new(calls: Calls) -> None:
    reply = calls.call("register_worker_v1", worker=worker_row(stopped=True))
    assert reply == {"worker_id": "w1"}
    for _ in range(2):
        calls.call("register_worker_v1", worker=worker_row(queues=["q", "r"], concurrency=8))
    [seen] = calls.call("count_jobs_v1", queues=None)["workers"]
    assert (seen["queues"], seen["concurrency"]) == (["q", "r"], 8)


def test_registering_drops_claims_too_old_to_be_repeated(calls: Calls, worker: Worker) -> None:
    worker.claim()
    calls.connection.execute("update job_claims set claimed_at = now() - interval '3 hours'")
    worker.claim()
    calls.call("register_worker_v1", worker=worker_row())
    assert calls.value("select count(*) from job_claims") == 1


def test_the_versions_spoken_are_told(calls: Calls) -> None:
    assert calls.call_plain("contract_version_v1") == {"newest": 1, "oldest": 1}
