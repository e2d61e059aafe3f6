"""How long one attempt may take: its worker is told; a stuck one loses the task, heartbeats or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.sql.calls import Calls, Worker, answers, leases, pass_deadline

OpenWorker = Callable[..., Worker]

ALLOWANCE = 15
LEASE_AFTER_START = (
    "select extract(epoch from lease_expires_at - started_at)::double precision from job_tasks"
)
LEASE_AFTER_HEARTBEAT = """select extract(epoch from lease_expires_at - last_heartbeat)::double precision
                           from job_tasks"""


def test_a_claim_tells_both_limits(calls: Calls, worker: Worker, queue_name: str) -> None:
    calls.enqueue_new(queue_name, timeout_seconds=2.5, deadline_seconds=600)
    [task] = worker.claim()
    assert task["timeout_seconds"] == 2.5
    assert 500 < task["deadline_in_seconds"] <= 600


def test_no_heartbeat_renews_a_lease_for_long_after_the_timeout(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    calls.enqueue_new(queue_name, timeout_seconds=10)
    held = worker.claim(lease_seconds=5)
    worker.heartbeat(held, lease_seconds=3600)
    assert calls.value(LEASE_AFTER_HEARTBEAT) == 3600  # it has not begun
    worker.heartbeat(held, started=held, lease_seconds=3600)
    assert calls.value(LEASE_AFTER_START) == 10 + ALLOWANCE
    worker.heartbeat(held, lease_seconds=3600)
    assert calls.value(LEASE_AFTER_START) == 10 + ALLOWANCE
    worker.heartbeat(held, lease_seconds=2)
    assert calls.value(LEASE_AFTER_HEARTBEAT) == 2


def test_without_a_limit_every_heartbeat_renews_as_asked(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    calls.enqueue_new(queue_name)
    held = worker.claim()
    worker.heartbeat(held, started=held, lease_seconds=3600)
    assert calls.value(LEASE_AFTER_HEARTBEAT) == 3600


def test_a_start_that_is_reported_shortens_the_lease(calls: Calls, worker: Worker, queue_name: str) -> None:
    calls.enqueue_new(queue_name, timeout_seconds=10)
    held = worker.claim(lease_seconds=3600)
    worker.claim(0, started=leases(held))
    assert calls.value(LEASE_AFTER_START) == 10 + ALLOWANCE


def test_a_start_leaves_a_lease_that_ends_sooner(calls: Calls, worker: Worker, queue_name: str) -> None:
    calls.enqueue_new(queue_name, timeout_seconds=1000)
    held = worker.claim(lease_seconds=30)
    worker.claim(0, started=leases(held))
    assert calls.value("select lease_expires_at - claimed_at = interval '30 s' from job_tasks")


def test_a_lease_never_ends_before_the_clock(calls: Calls, worker: Worker, queue_name: str) -> None:
    """Rescues look for what ends from where the clock was: an entry below would not be found."""
    calls.enqueue_new(queue_name, timeout_seconds=10)
    held = worker.claim()
    worker.heartbeat(held, started=held)
    calls.connection.execute("update job_tasks set started_at = started_at - interval '1 hour'")
    assert answers(worker.heartbeat(held, lease_seconds=3600)) == ["held"]
    assert calls.value(LEASE_AFTER_HEARTBEAT) == 0


def test_a_start_after_the_deadline_ends_the_lease_no_earlier_than_now(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name, deadline_seconds=60)
    held = worker.claim(lease_seconds=3600)
    pass_deadline(calls.connection, [job_id])
    calls.connection.execute("update job_tasks set deadline_at = deadline_at - interval '1 hour'")
    worker.claim(0, started=leases(held))
    assert calls.value(LEASE_AFTER_START) == 0
    calls.connection.execute("update job_tasks set deadline_at = null")  # a check would object


def test_a_deadline_bounds_a_lease_as_a_timeout_does(calls: Calls, worker: Worker, queue_name: str) -> None:
    calls.enqueue_new(queue_name, deadline_seconds=60, timeout_seconds=1000)
    held = worker.claim()
    worker.heartbeat(held, started=held, lease_seconds=3600)
    query = "select extract(epoch from lease_expires_at - deadline_at)::integer from job_tasks"
    assert calls.value(query) == ALLOWANCE


@pytest.mark.parametrize(
    ("options", "seconds_ago", "error_type", "status"),
    [
        ({"timeout_seconds": 10}, 11, "TimedOut", "pending"),
        ({"timeout_seconds": 10}, 9, "LeaseLost", "pending"),
        ({"timeout_seconds": 10, "max_attempts": 1}, 11, "TimedOut", "failed"),
        ({}, 11, "LeaseLost", "pending"),
    ],
)
def test_a_rescue_says_what_was_too_long(
    calls: Calls,
    worker: Worker,
    open_worker: OpenWorker,
    queue_name: str,
    options: dict[str, Any],
    seconds_ago: int,
    error_type: str,
    status: str,
) -> None:
    [job_id] = calls.enqueue_new(queue_name, **options)
    held = worker.claim()
    worker.heartbeat(held, started=held)
    calls.connection.execute(
        "update job_tasks set started_at = started_at - make_interval(secs => %s),"
        " lease_expires_at = clock_timestamp()",
        [seconds_ago],
    )
    rescuer = open_worker()
    rescuer.claim(0)
    task = calls.task(job_id)
    assert (task["status"], task["attempts"], task["error"]["type"]) == (status, 1, error_type)
    assert [row["error_type"] for row in rescuer.last["failed"]] == [error_type] * (status == "failed")
    assert answers(worker.heartbeat(held)) == ["lost"]


def test_a_stuck_worker_loses_the_task_although_it_sends_heartbeats(
    calls: Calls, worker: Worker, open_worker: OpenWorker, queue_name: str
) -> None:
    calls.enqueue_new(queue_name, timeout_seconds=10)
    held = worker.claim()
    worker.heartbeat(held, started=held)
    rescuer = open_worker()
    rescuer.claim_all()
    calls.connection.execute("update job_tasks set started_at = started_at - interval '26 seconds'")
    assert answers(worker.heartbeat(held, lease_seconds=3600)) == ["held"]
    rescuer.look_again_for_expired()
    assert [task["attempt"] for task in rescuer.claim()] == [2]
    assert answers(worker.heartbeat(held, lease_seconds=3600)) == ["lost"]


def test_a_worker_that_is_stuck_beyond_the_deadline_is_told_apart_from_a_dead_one(
    calls: Calls, worker: Worker, open_worker: OpenWorker, queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name, deadline_seconds=60)
    held = worker.claim()
    worker.heartbeat(held, started=held)
    pass_deadline(calls.connection, [job_id])
    calls.connection.execute("update job_tasks set lease_expires_at = clock_timestamp()")
    open_worker().claim(0)
    task = calls.task(job_id)
    assert (task["status"], task["error"]["type"]) == ("failed", "DeadlineExceeded")
    assert f"TimedOut: worker {worker.worker_id} did not end it at its deadline" in task["error"]["message"]
    assert task["history"][0]["error"]["type"] == "TimedOut"
