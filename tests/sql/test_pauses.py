"""Queues that are paused: once that is answered nothing is newly leased from them; all else goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.sql.calls import Calls, Row, Worker, answers, endings, expire, pass_deadline
from tests.sql.sessions import blocked, in_background, wait_until
from tests.sql.test_lone import suspects

OpenWorker = Callable[..., Worker]
Connect = Callable[[], psycopg.Connection[Any]]

ROUNDS = 20
OPEN = {"paused": False, "paused_until": None, "paused_by": None, "reason": None}


def test_a_paused_queue_gives_nothing_until_it_is_resumed(
    calls: Calls, open_worker: OpenWorker, queue_name: str
) -> None:
    worker = open_worker(queues=[queue_name, "other"])
    paused_id, other_id = calls.enqueue_new(queue_name) + calls.enqueue_new("other")
    assert calls.pause(queue_name, reason="deploy", changed_by="ada") == [
        {"queue": queue_name, "paused": True, "paused_until": None, "paused_by": "ada", "reason": "deploy"}
    ]
    assert [task["job_id"] for task in worker.claim_all()] == [other_id]
    assert (worker.last["paused"], worker.last["more"]) == ([queue_name], False)
    assert calls.call("count_jobs_v1", queues=None)["paused"] == [
        {"queue": queue_name, "paused": True, "paused_until": None, "paused_by": "ada", "reason": "deploy"}
    ]
    assert calls.resume(queue_name) == [{"queue": queue_name} | OPEN]
    assert [task["job_id"] for task in worker.claim()] == [paused_id]
    assert worker.last["paused"] == []
    assert calls.call("count_jobs_v1", queues=None)["paused"] == []


def test_a_pause_until_a_time_ends_by_itself(calls: Calls, worker: Worker, queue_name: str) -> None:
    calls.enqueue_new(queue_name)
    [pause] = calls.pause(queue_name, seconds=600)
    left = (datetime.fromisoformat(pause["paused_until"]) - datetime.now(UTC)).total_seconds()
    assert 500 < left < 700
    assert worker.claim() == []
    calls.connection.execute("update job_queues set paused_until = clock_timestamp()")
    assert len(worker.claim()) == 1
    assert worker.last["paused"] == []


def test_a_pause_until_a_moment(calls: Calls, worker: Worker, queue_name: str) -> None:
    calls.enqueue_new(queue_name)
    [pause] = calls.pause(queue_name, paused_until="2100-01-01T00:00:00Z")
    assert (pause["paused"], pause["paused_until"]) == (True, "2100-01-01T00:00:00+00:00")
    assert worker.claim() == []
    [pause] = calls.pause(queue_name, paused_until="2001-01-01T00:00:00Z")
    assert pause["paused"] is False
    assert len(worker.claim()) == 1


def test_the_last_pause_counts(calls: Calls, queue_name: str) -> None:
    calls.pause(queue_name, reason="for good")
    [pause] = calls.pause(queue_name, seconds=600, changed_by="ada")
    assert (pause["paused_until"] is not None, pause["paused_by"], pause["reason"]) == (True, "ada", None)


def test_answers_come_in_the_order_asked_also_for_names_never_heard_of(calls: Calls) -> None:
    assert [row["queue"] for row in calls.pause("b", "a", "b", seconds=60)] == ["b", "a", "b"]
    assert calls.resume("never", "a", "never") == [{"queue": name} | OPEN for name in ("never", "a", "never")]
    assert [row["queue"] for row in calls.call("count_jobs_v1", queues=None)["paused"]] == ["b"]
    assert calls.call("count_jobs_v1", queues=["a"])["paused"] == []


def test_a_repeat_changes_nothing_even_if_the_queue_was_resumed_meanwhile(
    calls: Calls, queue_name: str
) -> None:
    """Whether it is a repeat, or the original that comes after its repeat, looks the same here."""
    request_id = str(uuid4())
    first = calls.pause(queue_name, seconds=600, request_id=request_id)
    assert calls.pause(queue_name, seconds=600, request_id=request_id) == first
    resumed_by = str(uuid4())
    calls.resume(queue_name, request_id=resumed_by)
    assert calls.pause(queue_name, seconds=600, request_id=request_id) == [{"queue": queue_name} | OPEN]
    calls.pause(queue_name)
    assert calls.resume(queue_name, request_id=resumed_by)[0]["paused"] is True
    query = "select function from job_changes order by changed_at"
    assert [name for (name,) in calls.connection.execute(query)] == [
        "pause_queues_v1",
        "resume_queues_v1",
        "pause_queues_v1",
    ]


def test_a_pause_and_its_repeat_at_once_are_one(calls: Calls, connect: Connect, queue_name: str) -> None:
    original, repeat = Calls(connect()), Calls(connect())
    request_id = str(uuid4())
    original.connection.execute("begin")
    first = original.pause(queue_name, seconds=600, request_id=request_id)
    second = partial(repeat.pause, queue_name, seconds=600, request_id=request_id)
    with blocked(second, repeat.connection, calls.connection) as answer:
        original.connection.execute("commit")
    assert answer.result() == first
    assert calls.value("select count(*) from job_changes") == 1


def test_changes_are_kept_for_ninety_days(calls: Calls, queue_name: str) -> None:
    calls.pause(queue_name)
    calls.connection.execute("update job_changes set changed_at = now() - interval '91 days'")
    calls.resume(queue_name)
    row = {"worker_id": "w", "queues": ["q"], "task_types": ["t"], "concurrency": 1}
    calls.call("register_worker_v1", worker=row)
    assert calls.value("select array_agg(function) from job_changes") == ["resume_queues_v1"]


def test_what_is_leased_runs_on(calls: Calls, worker: Worker, queue_name: str) -> None:
    calls.enqueue_new(queue_name, 2)
    held = worker.claim()
    calls.pause(queue_name)
    assert answers(worker.heartbeat(held, started=held[:1])) == ["held", "held"]
    worker.finish(endings(held[:1], "done") + endings(held[1:], "not_started"))
    assert worker.claim_all() == []


def test_due_rescue_and_deadlines_go_on(
    calls: Calls, worker: Worker, open_worker: OpenWorker, queue_name: str
) -> None:
    [lost] = calls.enqueue_new(queue_name)
    expire(calls.connection, worker.claim())
    [due] = calls.enqueue_new(queue_name, delay_seconds=600)
    calls.connection.execute("update job_tasks set run_at = clock_timestamp() where job_id = %s", [due])
    late = calls.enqueue_new(queue_name, deadline_seconds=60)
    pass_deadline(calls.connection, late)
    calls.pause(queue_name)
    other = open_worker()
    assert other.claim_all() == []
    query = "select job_id::text from job_tasks where status = 'pending' and position is not null"
    ready = {job_id for (job_id,) in calls.connection.execute(query)}
    assert ready == {lost, due}
    assert calls.status(late[0]) == "failed"


def test_what_is_claimed_alone_waits_too(calls: Calls, open_worker: OpenWorker) -> None:
    job_ids = suspects(calls, open_worker, "q", 1)
    calls.connection.execute("update job_tasks set run_at = clock_timestamp() - interval '1 minute'")
    worker = open_worker(queues=["q"])
    row = {"worker_id": worker.worker_id, "queues": ["q"], "task_types": ["count"], "concurrency": 1}
    calls.call("register_worker_v1", worker=row)
    calls.pause("q")
    assert worker.claim_all() == []
    worker.claim(1, holding=1)
    assert worker.last["drain"] is False
    calls.resume("q")
    assert [task["job_id"] for task in worker.claim()] == job_ids


def test_a_pause_waits_for_a_claim_in_flight_and_a_claim_for_it(
    calls: Calls, worker: Worker, open_worker: OpenWorker, connect: Connect, queue_name: str
) -> None:
    calls.enqueue_new(queue_name, 10)
    operator, other = Calls(connect()), open_worker()
    worker.connection.execute("begin")
    assert len(worker.claim(2)) == 2
    with blocked(lambda: operator.pause(queue_name), operator.connection, calls.connection) as answer:
        with blocked(other.claim, other.connection, calls.connection) as claimed:
            worker.connection.execute("commit")
        assert answer.result()[0]["paused"] is True
    assert claimed.result() == []
    assert other.last["paused"] == [queue_name]


@pytest.mark.timeout(120)
def test_after_a_pause_no_claim_leases(
    calls: Calls, open_worker: OpenWorker, connect: Connect, queue_name: str
) -> None:
    """Under load: the leases that exist when the pause is answered are all there are until the resume."""
    workers = [open_worker() for _ in range(3)]
    calls.enqueue_new(queue_name, 10_000)
    operator = Calls(connect())
    claimed = "select count(*) from job_tasks where lease_token > 0"
    done = threading.Event()

    def work(worker: Worker) -> list[Row]:
        found: list[Row] = []
        while not done.is_set():
            found += worker.claim(3)
        return found

    with (
        in_background(partial(work, workers[0])) as first,
        in_background(partial(work, workers[1])) as second,
        in_background(partial(work, workers[2])) as third,
    ):
        try:
            for _ in range(ROUNDS):
                before = calls.value(claimed)
                wait_until(lambda before=before: calls.value(claimed) > before, "tasks are claimed")  # type: ignore[misc]
                operator.pause(queue_name)
                paused = calls.value(claimed)
                requests = calls.value("select count(*) from job_claims")
                wait_until(
                    lambda requests=requests: (  # type: ignore[misc]
                        calls.value("select count(*) from job_claims") > requests + 10
                    ),
                    "claims were made under the pause",
                )
                assert calls.value(claimed) == paused
                operator.resume(queue_name)
        finally:
            done.set()
    found = [task["job_id"] for future in (first, second, third) for task in future.result()]
    assert len(found) == len(set(found)) == calls.value(claimed)
