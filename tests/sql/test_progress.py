"""Reports of progress: fenced, ordered by number, partial; the checkpoint reaches the next attempt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.sql.calls import Calls, Row, Worker, answers, endings, expire

OpenWorker = Callable[..., Worker]


def report(calls: Calls, worker: Worker, held: list[Row], **progress: Any) -> list[str]:
    """Send a heartbeat that brings the same progress for each task."""
    rows = [
        {name: task[name] for name in ("job_id", "task_number", "lease_token")} | {"progress": progress}
        for task in held
    ]
    reply = calls.call(
        "heartbeat_job_tasks_v1", worker_id=worker.worker_id, tasks=rows, started=[], lease_seconds=60
    )
    return answers(reply["tasks"])


def progress_of(calls: Calls, job_id: str) -> tuple[Any, Any, Any]:
    task = calls.task(job_id)
    return task["progress_percent"], task["progress_message"], task["checkpoint"]


def test_a_heartbeat_brings_progress(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    held = worker.claim()
    assert held[0]["checkpoint"] is None
    assert progress_of(calls, job_id) == (None, None, None)
    assert report(calls, worker, held, number=1, percent=12.5, message="a", checkpoint={"row": 7}) == ["held"]
    assert progress_of(calls, job_id) == (12.5, "a", {"row": 7})
    assert "checkpoint" not in calls.get(job_id)[0]["tasks"][0]


def test_what_a_report_leaves_out_stays_and_null_clears(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    held = worker.claim()
    report(calls, worker, held, number=1, percent=10, message="a", checkpoint=[1])
    report(calls, worker, held, number=2, percent=20)
    assert progress_of(calls, job_id) == (20, "a", [1])
    report(calls, worker, held, number=3, checkpoint=False)
    assert progress_of(calls, job_id) == (20, "a", False)
    report(calls, worker, held, number=4, percent=None, message=None, checkpoint=None)
    assert progress_of(calls, job_id) == (None, None, None)
    assert calls.value("select checkpoint is null from job_tasks")


def test_the_highest_number_counts_whatever_comes_last(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    held = worker.claim()
    report(calls, worker, held, number=5, percent=50, message="late")
    for number in (4, 5):
        assert report(calls, worker, held, number=number, percent=10, message="old") == ["held"]
    assert progress_of(calls, job_id) == (50, "late", None)
    rows = [
        {"job_id": job_id, "task_number": 0, "lease_token": 1, "progress": {"number": n, "percent": n}}
        for n in (7, 9, 8)
    ]
    calls.call("heartbeat_job_tasks_v1", worker_id=worker.worker_id, tasks=rows, started=[], lease_seconds=60)
    assert progress_of(calls, job_id)[0] == 9


def test_numbers_begin_anew_with_each_lease_and_the_checkpoint_reaches_it(
    calls: Calls, worker: Worker, open_worker: OpenWorker, queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    held = worker.claim()
    report(calls, worker, held, number=100, percent=90, checkpoint={"row": 90})
    expire(calls.connection, held)
    other = open_worker()
    [again] = other.claim()
    assert again["checkpoint"] == {"row": 90}
    report(calls, other, [again], number=1, percent=5, checkpoint={"row": 91})
    assert progress_of(calls, job_id) == (5, None, {"row": 91})


def test_only_the_holder_reports(
    calls: Calls, worker: Worker, open_worker: OpenWorker, queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    held = worker.claim()
    stranger = open_worker()
    assert report(calls, stranger, held, number=1, percent=1) == ["lost"]
    expire(calls.connection, held)
    current = stranger.claim()
    assert report(calls, worker, held, number=2, percent=2) == ["lost"]
    assert report(calls, worker, current, number=3, percent=3) == ["lost"]
    assert progress_of(calls, job_id) == (None, None, None)
    stranger.finish(endings(current, "done"))
    assert report(calls, stranger, current, number=4, percent=4) == ["lost"]
    assert progress_of(calls, job_id) == (None, None, None)


@pytest.mark.parametrize("outcome", ["retry", "snooze", "not_started", "fail", "done"])
def test_a_finish_brings_the_last_report(calls: Calls, worker: Worker, queue_name: str, outcome: str) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    held = worker.claim()
    report(calls, worker, held, number=1, percent=10, checkpoint=1)
    ending = endings(held, outcome, after_seconds=0, progress={"number": 2, "percent": 99, "checkpoint": 2})
    first = worker.finish(ending)
    assert progress_of(calls, job_id) == (99, None, 2)
    assert [task["checkpoint"] for task in worker.claim()] == ([2] if outcome not in ("fail", "done") else [])
    late = endings(held, outcome, progress={"number": 3, "percent": 1})
    assert [row["status"] for row in worker.finish(late)] == [row["status"] for row in first]
    assert progress_of(calls, job_id)[0] == 99


def test_a_finish_brings_no_report_that_is_older(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    held = worker.claim()
    report(calls, worker, held, number=2, percent=20)
    worker.finish(endings(held, "done", progress={"number": 1, "percent": 10}))
    assert progress_of(calls, job_id)[0] == 20


def test_any_small_percent_is_stored(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    held = worker.claim()
    assert report(calls, worker, held, number=1, percent=1e-200) == ["held"]
    assert progress_of(calls, job_id)[0] == 0
