"""Limits on what runs are exact whoever claims meanwhile, told from what every lease and end recorded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.sql.calls import Calls, Worker, endings
from tests.sql.sessions import blocked, open_transaction, together

OpenWorker = Callable[..., Worker]
Connect = Callable[[], psycopg.Connection[Any]]
Span = tuple[datetime, datetime]

SESSIONS = 8
LIMIT = 3


def spans(calls: Calls, condition: str = "true") -> list[Span]:
    """From when to when each task was leased, for every lease that has ended."""
    query = f"select claimed_at, ended_at from job_task_attempts a join jobs using (job_id) where {condition}"
    return list(calls.connection.execute(query.encode()).fetchall())


def most_at_once(leased: Iterable[Span]) -> int:
    """How many were leased at the same time at most; one that begins as another ends follows it."""
    moments = sorted((moment, step) for span in leased for moment, step in zip(span, (1, -1), strict=True))
    running = most = 0
    for _, step in moments:
        running += step
        most = max(most, running)
    return most


def most_in_a_window(starts: Iterable[datetime], seconds: float) -> int:
    """How many began in one window at most, each window beginning with the first start after the last one."""
    most = used = 0
    ends_at: datetime | None = None
    for start in sorted(starts):
        if ends_at is None or start >= ends_at:
            ends_at, used = start + timedelta(seconds=seconds), 0
        used += 1
        most = max(most, used)
    return most


def drain(worker: Worker, left: Callable[[], bool], want: int = 2) -> None:
    """Claim and finish until nothing is left; a task or two stay in hand while the next are claimed."""
    held: list[Any] = []
    while left() or held:
        claimed = worker.claim(want)
        worker.finish(endings(held, "done"))
        held = claimed


@pytest.fixture
def left(connect: Connect) -> Callable[[], bool]:
    """Whether tasks are left, asked by one session for all."""
    session, lock = Calls(connect()), threading.Lock()

    def any_left() -> bool:
        with lock:
            return bool(session.value("select exists (select from jobs where finished_at is null)"))

    return any_left


def test_never_more_than_the_limit_run(
    calls: Calls, open_worker: OpenWorker, left: Callable[[], bool], queue_name: str
) -> None:
    """Of a type over two queues, of each tenant, and of a queue: eight sessions, 180 tasks."""
    queues = [queue_name, f"{queue_name}-2"]
    for number, tenant in enumerate(["a", "b", None]):
        for queue in queues:
            calls.enqueue_new(queue, 30, ("pay", "mail")[number % 2], tenant=tenant)
    calls.limit_running(
        {"task_type": "pay", "running_limit": LIMIT},
        {"queue": queues[1], "running_limit": 4},
        {"queue": queues[0], "each_tenant": True, "running_limit": 2},
    )
    workers = [open_worker(queues=queues, task_types=["pay", "mail"]) for _ in range(SESSIONS)]
    together(*(lambda worker=worker: drain(worker, left) for worker in workers))
    found = spans(calls)
    assert len(found) == 180
    assert most_at_once(spans(calls, "task_type = 'pay'")) == LIMIT
    assert most_at_once(spans(calls, f"queue = '{queues[1]}'")) <= 4
    for tenant in ("a", "b"):
        assert most_at_once(spans(calls, f"queue = '{queues[0]}' and tenant = '{tenant}'")) <= 2


def test_a_limit_that_is_set_while_tasks_run_is_exact_once_it_has_answered(
    calls: Calls, open_worker: OpenWorker, left: Callable[[], bool], queue_name: str
) -> None:
    calls.enqueue_new(queue_name, 160)
    workers = [open_worker() for _ in range(SESSIONS)]
    set_at: list[datetime] = []

    def limit() -> None:
        while calls.value("select count(*) < 40 from job_task_attempts"):
            pass
        calls.limit_running({"queue": queue_name, "running_limit": LIMIT})
        set_at.append(calls.value("select clock_timestamp()"))

    together(limit, *(lambda worker=worker: drain(worker, left) for worker in workers))
    begun = spans(calls)
    later = [span for span in begun if span[0] > set_at[0]]
    assert len(later) > 50
    # What ran when it was set and goes on counts too, but may be more than the limit.
    crowded = [one for one, _ in later if sum(a <= one < b for a, b in begun) > LIMIT]
    assert crowded == []


def test_no_window_begins_more_than_its_limit(
    calls: Calls, open_worker: OpenWorker, left: Callable[[], bool], queue_name: str
) -> None:
    calls.enqueue_new(queue_name, 60)
    calls.limit_running({"queue": queue_name, "starts_limit": 10, "starts_seconds": 0.3})
    workers = [open_worker() for _ in range(SESSIONS)]
    together(*(lambda worker=worker: drain(worker, left, 4) for worker in workers))
    found = spans(calls)
    assert len(found) == 60
    assert most_in_a_window((began for began, _ in found), 0.3) == 10


def test_claims_of_other_queues_do_not_wait_for_a_limit(
    calls: Calls, open_worker: OpenWorker, connect: Connect, queue_name: str
) -> None:
    calls.enqueue_new(queue_name, 2)
    calls.enqueue_new(f"{queue_name}-2", 1)
    calls.limit_running({"queue": queue_name, "running_limit": 1})
    first, second = open_worker(), open_worker()
    with open_transaction(first.connection):
        [held] = first.claim(5)
        assert len(open_worker(queues=[f"{queue_name}-2"]).claim(5)) == 1
        with blocked(lambda: second.claim(5), second.connection, connect()) as claimed:
            first.connection.execute("commit")
            first.connection.execute("begin")
        assert claimed.result() == []
    first.finish(endings([held], "done"))
    assert len(second.claim(5)) == 1
