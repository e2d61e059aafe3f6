"""list_dead_letters_v1 and drop_dead_letters_v1: what failed, page by page, and forgetting it for good."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from supaqueue.job_id import new_job_id
from tests.sql.calls import Calls, Row, Worker, answers, endings, leases, new_job
from tests.sql.flags import set_flag
from tests.sql.test_finish import add_task

OpenWorker = Callable[..., Worker]


def listed(calls: Calls, **narrowed: Any) -> list[str]:
    return [row["job_id"] for row in calls.list_dead_letters(**narrowed)["dead_letters"]]


def test_what_failed_is_listed_with_what_replay_and_drop_ask_for(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    job_id, _, done = calls.enqueue_new(queue_name, 3, payload={"secret": 1})
    [lease] = worker.fail()
    worker.finish(endings([task for task in worker.claim() if task["job_id"] == done], "done"))
    reply = calls.list_dead_letters()
    [row] = reply["dead_letters"]
    failed_at = row.pop("failed_at")
    assert failed_at == calls.task(job_id)["finished_at"]
    assert row == lease | {
        "queue": queue_name,
        "task_type": "count",
        "error": {"type": "ValueError", "message": "no"},
        "parked": False,
        "attempts": 1,
        "lost_leases": 0,
    }
    assert reply["next_page"] is None
    assert leases([row]) == [lease]


def test_what_does_not_fit_its_handler_is_parked_and_spends_no_attempt(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    error = {"type": "PayloadMismatch", "message": "a: missing"}
    ending = endings(worker.claim(), "park", error=error)
    [answer] = worker.finish(ending)
    assert (answer["answer"], answer["status"]) == ("recorded", "failed")
    assert worker.finish(ending) == [answer]
    task = calls.task(job_id)
    assert (task["status"], task["parked"], task["attempts"], task["error"]) == ("failed", True, 0, error)
    assert [(row["outcome"], row["attempt"]) for row in task["history"]] == [("park", None)]
    assert (listed(calls, parked=True), listed(calls, parked=False)) == ([job_id], [])


def test_each_filter_narrows(calls: Calls, open_worker: OpenWorker) -> None:
    job_ids = []
    for queue, task_type, error_type, outcome in (
        ("x", "a", "ValueError", "fail"),
        ("x", "b", "KeyError", "fail"),
        ("y", "a", "PayloadMismatch", "park"),
    ):
        job_ids += calls.enqueue_new(queue, task_type=task_type)
        worker = open_worker(queues=[queue], task_types=[task_type])
        worker.finish(endings(worker.claim(), outcome, error={"type": error_type}))
    middle = calls.task(job_ids[1])["finished_at"]
    expected: list[tuple[dict[str, Any], list[int]]] = [
        ({}, [2, 1, 0]),
        ({"queue": "x"}, [1, 0]),
        ({"task_type": "a"}, [2, 0]),
        ({"queue": "x", "task_type": "a"}, [0]),
        ({"error_type": "KeyError"}, [1]),
        ({"error_type": "TypeError"}, []),
        ({"parked": True}, [2]),
        ({"parked": False}, [1, 0]),
        ({"parked": None}, [2, 1, 0]),
        ({"failed_after": middle}, [2, 1]),
        ({"failed_before": middle}, [0]),
        ({"failed_after": middle, "failed_before": middle}, []),
    ]
    for narrowed, places in expected:
        assert listed(calls, **narrowed) == [job_ids[place] for place in places], narrowed


@pytest.mark.parametrize("page_size", [1, 4, 7, 100])
def test_pages_hold_each_once_latest_first(
    calls: Calls, worker: Worker, queue_name: str, page_size: int
) -> None:
    """Tasks of one finish share a moment, so pages must be cut by time, id and number."""
    for _ in range(3):
        for job_id in calls.enqueue_new(queue_name, 3):
            add_task(calls, job_id)
        calls.connection.execute("update job_tasks set task_number = 32767 where task_number = 1")
        worker.fail(6)
    found: list[Row] = []
    page = None
    while True:
        reply = calls.list_dead_letters(page, page_size)
        assert len(reply["dead_letters"]) <= page_size
        found += reply["dead_letters"]
        page = reply["next_page"]
        if page is None:
            break
    keys = [(datetime.fromisoformat(row["failed_at"]), row["job_id"], row["task_number"]) for row in found]
    assert keys == sorted(keys, reverse=True)
    assert len(set(keys)) == 18


def test_a_page_goes_on_where_the_last_one_ended_whatever_was_replayed(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    calls.enqueue_new(queue_name, 6)
    for _ in range(6):
        worker.fail()
    first = calls.list_dead_letters(page_size=3)
    assert calls.replay(*leases(first["dead_letters"])) == ["replayed"] * 3
    second = calls.list_dead_letters(first["next_page"], 3)
    assert len(second["dead_letters"]) == 3
    assert not {row["job_id"] for row in first["dead_letters"]} & set(listed_ids(second))
    assert listed(calls) == listed_ids(second)


def listed_ids(reply: Row) -> list[str]:
    return [row["job_id"] for row in reply["dead_letters"]]


def test_observations_are_no_dead_letters(calls: Calls, worker: Worker, queue_name: str) -> None:
    """Nor can one be dropped, and with it the job that it observes."""
    [job_id] = calls.enqueue_new(queue_name)
    add_task(calls, job_id)
    calls.connection.execute("update job_tasks set purpose = 'shadow' where task_number = 1")
    calls.connection.execute("update jobs set task_count = 1, unfinished_tasks = 1")
    set_flag(calls.connection, shadow_percent=100)
    run, shadow = worker.claim()
    worker.finish(endings([run], "done") + endings([shadow], "fail"))
    assert listed(calls) == []
    assert calls.drop(*leases([shadow])) == ["not_failed"]
    assert calls.status(job_id) == "completed"


def test_what_is_dropped_leaves_a_tombstone(calls: Calls, worker: Worker, queue_name: str) -> None:
    job = new_job(queue_name, tags=["ada@example.org"])
    calls.enqueue(job)
    [lease] = worker.fail()
    assert calls.drop(lease) == ["dropped"]
    assert calls.drop(lease) == ["dropped"]
    assert (listed(calls), calls.get(job["job_id"])) == ([], [None])
    assert answers(calls.enqueue(job)) == ["conflict"]
    assert calls.replay(lease) == ["unknown"]
    assert calls.cancel(job["job_id"]) == ["cancelled"]
    assert calls.abandon(job["job_id"]) == ["abandoned"]
    assert answers(worker.finish(endings([lease], "done"))) == ["unknown"]
    assert calls.value("select count(*) from job_task_attempts") == 0
    kept = "select status, tags, content_hash, tenant, task_count, failed_tasks from jobs"
    assert calls.connection.execute(kept).fetchall() == [("cancelled", [], None, None, 0, 0)]


def test_only_what_failed_under_that_lease_is_dropped(calls: Calls, worker: Worker, queue_name: str) -> None:
    waiting, done, failed = calls.enqueue_new(queue_name, 3)
    first, second, third = worker.claim()
    worker.finish(endings([first], "not_started") + endings([second], "done") + endings([third], "fail"))
    assert calls.drop(
        {"job_id": waiting, "task_number": 0, "lease_token": 1},
        {"job_id": done, "task_number": 0, "lease_token": 1},
        {"job_id": failed, "task_number": 0, "lease_token": 2},
        {"job_id": failed, "task_number": 7, "lease_token": 1},
        {"job_id": new_job_id(), "task_number": 0, "lease_token": 1},
    ) == ["not_failed", "not_failed", "not_failed", "unknown", "unknown"]
    assert [calls.status(job_id) for job_id in (waiting, done, failed)] == ["pending", "completed", "failed"]
    assert calls.drop(*leases([third]), *leases([third])) == ["dropped", "dropped"]


def test_a_job_that_goes_on_is_not_dropped(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    add_task(calls, job_id)
    first, second = worker.claim()
    worker.finish(endings([first], "fail"))
    assert calls.drop(*leases([first])) == ["unfinished"]
    assert calls.status(job_id) == "processing"
    worker.finish(endings([second], "done"))
    assert calls.drop(*leases([first, second])) == ["dropped", "dropped"]
    assert calls.get(job_id) == [None]


def test_a_job_of_which_two_tasks_failed_is_dropped_once(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    add_task(calls, job_id)
    both = worker.fail(2)
    assert calls.drop(*both) == ["dropped", "dropped"]
    assert calls.value("select failed_tasks from jobs") == 0
