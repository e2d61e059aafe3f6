"""finish_job_tasks_v1: what each outcome comes to, and that it is recorded once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.sql.calls import Calls, Worker, answers, endings, expire

OpenWorker = Callable[..., Worker]

OUTCOMES = [
    # outcome, options, status, attempts spent, ready again at once
    ("done", {"result": {"lines": 3}}, "completed", 1, False),
    ("fail", {"error": {"type": "ValueError"}}, "failed", 1, False),
    ("cancel", {}, "cancelled", 1, False),
    ("retry", {}, "pending", 1, False),
    ("retry", {"after_seconds": 0}, "pending", 1, True),
    ("snooze", {"after_seconds": 60}, "pending", 0, False),
    ("snooze", {}, "pending", 0, True),
    ("not_started", {}, "pending", 0, True),
]


@pytest.mark.parametrize(("outcome", "options", "status", "attempts", "ready"), OUTCOMES)
def test_what_an_outcome_comes_to(
    calls: Calls,
    worker: Worker,
    queue_name: str,
    outcome: str,
    options: dict[str, Any],
    status: str,
    attempts: int,
    ready: bool,
) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    [answer] = worker.finish(endings(worker.claim(), outcome, **options))
    assert (answer["answer"], answer["status"]) == ("recorded", status)
    task = calls.task(job_id)
    assert (task["status"], task["attempts"]) == (status, attempts)
    assert (calls.job(job_id)["finished_at"] is not None) == (status != "pending")
    assert bool(worker.claim()) == ready


def test_result_and_error_are_kept(calls: Calls, worker: Worker, queue_name: str) -> None:
    done, failed = calls.enqueue_new(queue_name, 2)
    first, second = worker.claim()
    error = {"type": "ValueError", "message": "no"}
    worker.finish(endings([first], "done", result=[1, None]) + endings([second], "fail", error=error))
    assert (calls.task(done)["result"], calls.task(done)["error"]) == ([1, None], None)
    assert (calls.task(failed)["result"], calls.task(failed)["error"]) == (None, error)
    assert calls.task(failed)["history"][0]["error"] == error


def test_retries_end_with_the_attempts(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name, max_attempts=3)
    statuses = []
    for number in (1, 2, 3):
        [task] = worker.claim()
        assert task["attempt"] == number
        [answer] = worker.finish(endings([task], "retry", after_seconds=0, error={"n": number}))
        statuses.append(answer["status"])
    assert statuses == ["pending", "pending", "failed"]
    history = calls.task(job_id)["history"]
    assert [row["attempt"] for row in history] == [1, 2, 3]
    assert [row["error"] for row in history] == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_a_retry_waits_the_tasks_own_delay(calls: Calls, worker: Worker, queue_name: str) -> None:
    calls.enqueue_new(queue_name, retry_delay_seconds=1000, retry_jitter=False)
    [answer] = worker.finish(endings(worker.claim(), "retry"))
    assert 900 < answer["retry_in_seconds"] <= 1000
    assert worker.claim() == []
    assert 900 < worker.last["wait_seconds"] <= 1000


def test_a_repeat_is_answered_as_the_first_was(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    [task] = worker.claim()
    first = worker.finish(endings([task], "done", result=1))
    assert worker.finish(endings([task], "done", result=2)) == first
    assert answers(worker.finish(endings([task], "fail"))) == ["recorded"]
    assert calls.task(job_id)["result"] == 1
    assert len(calls.task(job_id)["history"]) == 1


def test_a_repeat_after_the_task_was_claimed_again_is_answered_as_the_first_was(
    calls: Calls, worker: Worker, open_worker: OpenWorker, queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    ending = endings(worker.claim(), "retry", after_seconds=0)
    first = worker.finish(ending)
    [again] = open_worker().claim()
    repeated = worker.finish(ending)
    assert [row["status"] for row in repeated] == [row["status"] for row in first] == ["pending"]
    assert (calls.task(job_id)["status"], again["lease_token"]) == ("claimed", 2)


def test_a_finish_after_the_task_was_claimed_again_is_lost(
    calls: Calls, worker: Worker, open_worker: OpenWorker, queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    late = worker.claim()
    expire(calls.connection, late)
    other = open_worker()
    current = other.claim()
    assert worker.finish(endings(late, "done", result="late"))[0] | {"job_id": ""} == {
        "job_id": "",
        "task_number": 0,
        "lease_token": 1,
        "answer": "lost",
        "status": None,
        "retry_in_seconds": None,
    }
    assert answers(other.finish(endings(current, "done", result="mine"))) == ["recorded"]
    assert answers(worker.finish(endings(late, "done", result="late"))) == ["lost"]
    assert calls.task(job_id)["result"] == "mine"


def test_a_batch_may_name_a_task_under_a_lost_and_under_the_present_lease(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    """A worker that lost a lease may have claimed the same task again before it reports the first run."""
    [job_id] = calls.enqueue_new(queue_name)
    old = worker.claim()
    expire(calls.connection, old)
    worker.look_again_for_expired()
    new = worker.claim()
    reply = worker.finish(endings(old, "fail") + endings(new, "done"))
    assert answers(reply) == ["lost", "recorded"]
    assert calls.status(job_id) == "completed"


def test_an_ending_named_twice_counts_once(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    held = worker.claim()
    reply = worker.finish(endings(held, "done", result="first") + endings(held, "fail"))
    assert [row["status"] for row in reply] == ["completed", "completed"]
    assert calls.task(job_id)["result"] == "first"


def test_an_unknown_task_is_told_apart(calls: Calls, worker: Worker, queue_name: str) -> None:
    calls.enqueue_new(queue_name)
    [task] = worker.claim()
    strangers = [task | {"task_number": 7}, task | {"lease_token": 9}]
    assert answers(worker.finish(endings(strangers, "done"))) == ["unknown", "lost"]


def test_one_batch_may_hold_every_outcome(calls: Calls, worker: Worker, queue_name: str) -> None:
    ids = calls.enqueue_new(queue_name, 6)
    held = worker.claim()
    outcomes = ["not_started", "done", "fail", "snooze", "cancel", "retry"]
    ends = [
        ending for task, outcome in zip(held, outcomes, strict=True) for ending in endings([task], outcome)
    ]
    assert [row["status"] for row in worker.finish(ends)] == [
        "pending",
        "completed",
        "failed",
        "pending",
        "cancelled",
        "pending",
    ]
    statuses = [calls.status(job_id) for job_id in ids]
    assert statuses == ["pending", "completed", "failed", "pending", "cancelled", "pending"]


def test_a_start_that_was_never_reported_is_taken_from_the_run_time(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    worker.finish(endings(worker.claim(), "done", ran_seconds=30))
    seconds = calls.value("select extract(epoch from ended_at - started_at) from job_task_attempts")
    assert seconds == 30
    assert calls.task(job_id)["started_at"] is not None


def test_a_job_of_several_tasks_follows_from_all(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    add_task(calls, job_id)
    first, second = worker.claim()
    worker.finish(endings([first], "done"))
    assert calls.status(job_id) == "processing"
    worker.finish(endings([second], "fail"))
    assert calls.status(job_id) == "failed"


def add_task(calls: Calls, job_id: str) -> None:
    """Give a waiting job one more task, as a later version of enqueue will."""
    calls.connection.execute(
        """with added as (
               insert into job_tasks (job_id, task_number, queue, task_type, payload, position)
               select job_id, 1, queue, task_type, payload, nextval('job_task_position')
               from job_tasks where job_id = %s returning job_id)
           update jobs set task_count = 2, unfinished_tasks = 2 where job_id in (select job_id from added)""",
        [job_id],
    )
