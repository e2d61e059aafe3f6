"""replay_job_tasks_v1: dead letters that run again, with their history and as many attempts as they had."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from supaqueue.job_id import new_job_id
from tests.sql.calls import Calls, Row, Worker, endings, expire, leases, pass_deadline
from tests.sql.test_finish import add_task

OpenWorker = Callable[..., Worker]


def test_it_runs_again_with_its_history(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name, payload={"a": 1}, max_attempts=3)
    [lease] = worker.fail()
    assert calls.replay(lease) == ["replayed"]
    job = calls.job(job_id)
    task = job["tasks"][0]
    assert (job["status"], job["finished_at"], task["finished_at"]) == ("pending", None, None)
    assert (task["status"], task["attempts"], task["max_attempts"]) == ("pending", 1, 4)
    [again] = worker.claim()
    assert (again["payload"], again["attempt"], again["lease_token"]) == ({"a": 1}, 2, 2)
    worker.finish(endings([again], "done", result="ok"))
    task = calls.task(job_id)
    assert (task["status"], task["result"], task["error"]) == ("completed", "ok", task["error"])
    assert [row["status_after"] for row in task["history"]] == ["failed", "completed"]


def test_the_attempts_count_anew_and_so_does_the_backoff(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name, max_attempts=2, retry_delay_seconds=10, retry_jitter=False)
    waits = []
    for _ in range(3):
        for outcome in ("pending", "failed"):
            held = worker.claim()
            [answer] = worker.finish(endings(held, "retry"))
            assert answer["status"] == outcome
            if outcome == "pending":
                waits.append(calls.value("select run_at - now() between '9 s' and '10 s' from job_tasks"))
                calls.connection.execute("update job_tasks set run_at = clock_timestamp()")
        assert calls.replay(*leases(held)) == ["replayed"]
    assert waits == [True] * 3
    task = calls.task(job_id)
    assert (task["attempts"], task["max_attempts"]) == (6, 8)
    assert [row["attempt"] for row in task["history"]] == [1, 2, 3, 4, 5, 6]


def test_a_repeat_is_answered_as_the_first_was_whatever_came_since(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    [first] = worker.fail()
    assert [calls.replay(first) for _ in range(2)] == [["replayed"]] * 2
    assert calls.task(job_id)["max_attempts"] == 6
    [second] = worker.fail()
    before = calls.job(job_id)
    assert calls.replay(first) == ["replayed"]
    assert calls.job(job_id) == before
    assert before["status"] == "failed"
    assert calls.replay(second) == ["replayed"]
    worker.finish(endings(worker.claim(), "done"))
    before = calls.job(job_id)
    assert calls.replay(first, second) == ["replayed", "replayed"]
    assert calls.job(job_id) == before


def test_many_spread_over_time(calls: Calls, worker: Worker, queue_name: str) -> None:
    job_ids = calls.enqueue_new(queue_name, 30)
    dead = worker.fail(30)
    delayed = [lease | {"delay_seconds": 60 * n} for n, lease in enumerate(dead)]
    assert calls.replay(*delayed[::-1]) == ["replayed"] * 30
    assert [task["job_id"] for task in worker.claim(30)] == job_ids[:1]
    query = """select round(extract(epoch from run_at - min(run_at) over ())) from job_tasks
               order by array_position(%s::uuid[], job_id)"""
    assert [seconds for (seconds,) in calls.connection.execute(query, [job_ids])] == [
        60 * n for n in range(30)
    ]


def test_they_are_ready_in_the_order_asked(calls: Calls, worker: Worker, queue_name: str) -> None:
    calls.enqueue_new(queue_name, 20)
    dead = worker.fail(20)[::-1]
    calls.replay(*dead)
    assert leases(worker.claim(20)) == [lease | {"lease_token": 2} for lease in dead]


def test_only_what_failed_under_that_lease(calls: Calls, worker: Worker, queue_name: str) -> None:
    waiting, done, failed = calls.enqueue_new(queue_name, 3)
    first, second, third = worker.claim()
    worker.finish(endings([first], "not_started") + endings([second], "done") + endings([third], "fail"))
    wrong: list[Row] = [
        {"job_id": waiting, "task_number": 0, "lease_token": 1},
        {"job_id": done, "task_number": 0, "lease_token": 1},
        {"job_id": failed, "task_number": 0, "lease_token": 2},
        {"job_id": failed, "task_number": 7, "lease_token": 1},
        {"job_id": new_job_id(), "task_number": 0, "lease_token": 1},
    ]
    answered = ["not_failed", "not_failed", "not_failed", "unknown", "unknown"]
    assert calls.replay(*wrong) == answered
    assert [calls.status(job_id) for job_id in (waiting, done, failed)] == ["pending", "completed", "failed"]
    assert calls.replay(*wrong, *leases([third]))[-1] == "replayed"
    assert calls.status(failed) == "pending"


def test_a_deadline_that_passed_is_lifted(calls: Calls, worker: Worker, queue_name: str) -> None:
    """It failed without ever being leased, hence under token 0."""
    [job_id] = calls.enqueue_new(queue_name, deadline_seconds=60)
    pass_deadline(calls.connection, [job_id])
    worker.claim()
    [dead] = leases(calls.list_dead_letters()["dead_letters"])
    assert dead["lease_token"] == 0
    assert calls.replay(dead) == ["replayed"]
    assert calls.task(job_id)["deadline_at"] is None
    worker.look_again_for_deadlines()
    held = worker.claim()
    assert (len(held), worker.last["failed"]) == (1, [])
    worker.finish(endings(held, "fail"))
    assert calls.replay(dead) == ["replayed"]
    assert calls.status(job_id) == "failed"
    assert calls.replay(*leases(held)) == ["replayed"]


def test_what_was_parked_is_tried_again(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name, max_attempts=1)
    held = worker.claim()
    worker.finish(endings(held, "park"))
    assert calls.replay(*leases(held)) == ["replayed"]
    task = calls.task(job_id)
    assert (task["parked"], task["attempts"], task["max_attempts"]) == (False, 0, 1)
    assert [again["attempt"] for again in worker.claim()] == [1]


def test_a_cancel_that_came_too_late_is_forgotten(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    held = worker.claim()
    assert calls.cancel(job_id) == ["requested"]
    worker.finish(endings(held, "fail"))
    assert calls.job(job_id)["cancel_requested"] is True
    calls.replay(*leases(held))
    assert calls.job(job_id)["cancel_requested"] is False
    [again] = worker.claim()
    assert worker.heartbeat([again])[0]["answer"] == "held"
    [answer] = worker.finish(endings([again], "retry"))
    assert answer["status"] == "pending"


def test_what_lost_its_leases_stays_under_suspicion(
    calls: Calls, open_worker: OpenWorker, queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    for _ in range(6):
        expire(calls.connection, open_worker().claim())
    open_worker().claim(0)
    assert calls.status(job_id) == "failed"
    [dead] = calls.list_dead_letters()["dead_letters"]
    assert (dead["error"]["type"], dead["lost_leases"]) == ("LeaseLost", 6)
    assert calls.replay(*leases([dead])) == ["replayed"]
    calls.enqueue_new(queue_name, 3)
    worker = open_worker()
    assert ([task["job_id"] for task in worker.claim()], worker.last["alone"]) == ([job_id], True)
    expire(calls.connection, [dead])
    other = open_worker()
    other.claim(0)
    assert (calls.status(job_id), calls.task(job_id)["lost_leases"]) == ("pending", 3)


@pytest.mark.parametrize("sibling", ["done", "fail", "cancel", "retry", "held"])
def test_one_of_two_tasks(calls: Calls, worker: Worker, queue_name: str, sibling: str) -> None:
    """The fixture checks the job's counters and status at the end; here at each step."""
    [job_id] = calls.enqueue_new(queue_name)
    add_task(calls, job_id)
    first, second = worker.claim()
    worker.finish(endings([first], "fail"))
    if sibling != "held":
        worker.finish(endings([second], sibling, after_seconds=0))
    assert calls.replay(*leases([first])) == ["replayed"]
    status = "pending" if sibling == "retry" else "processing"
    assert (calls.status(job_id), calls.job(job_id)["finished_at"]) == (status, None)
    again = worker.claim()
    worker.finish(endings(again, "done"))
    expected = {"done": "completed", "fail": "failed", "cancel": "cancelled", "retry": "completed"}
    assert calls.status(job_id) == expected.get(sibling, "processing")


def test_both_tasks_at_once(calls: Calls, worker: Worker, queue_name: str) -> None:
    [job_id] = calls.enqueue_new(queue_name)
    add_task(calls, job_id)
    dead = worker.fail(2)
    assert calls.replay(*dead) == ["replayed", "replayed"]
    assert calls.status(job_id) == "pending"
    worker.finish(endings(worker.claim(), "done"))
    assert calls.status(job_id) == "completed"


def test_only_twenty_leases_are_kept_and_the_rest_still_counts(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name, max_attempts=7)
    for _ in range(4):
        for _ in range(7):
            held = worker.claim()
            worker.finish(endings(held, "retry", after_seconds=0))
        assert calls.status(job_id) == "failed"
        assert calls.replay(*leases(held)) == ["replayed"]
    worker.finish(endings(worker.claim(), "done"))
    history = calls.task(job_id)["history"]
    assert [row["attempt"] for row in history] == list(range(10, 30))
    assert calls.value("select count(*) from job_task_attempts") == 20
