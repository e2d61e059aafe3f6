"""What handlers are given, and what becomes of what they return or raise."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from supaqueue.client.queue import Queue
from supaqueue.devstack import Stack
from supaqueue.outcome import Cancel, Done, Fail, Retry, Snooze
from supaqueue.settings import Settings
from supaqueue.telemetry.events import JobFailed, JobRetried, JobStarted, JobSucceeded
from supaqueue.worker import Context, Registry
from tests.worker.running import OwnQueue
from tests.worker.waiting import until


class Order(BaseModel):
    number: int
    lines: list[str]


class Receipt(BaseModel):
    total: int


@pytest.fixture
def queue(stack: Stack) -> Iterator[OwnQueue]:
    """A queue of this test's own, on each version of Postgres."""
    settings = Settings(url=stack.url, service_role_key=stack.service_role_key)
    with Queue(settings) as client:
        yield OwnQueue(settings, client)


def test_async_handler_takes_a_model_and_returns_one(queue: OwnQueue, registry: Registry) -> None:
    @registry.task("sell")
    async def sell(order: Order, context: Context) -> Receipt:
        assert context.attempt == 1
        assert context.queue == queue.name
        return Receipt(total=order.number + len(order.lines))

    job_id = queue.enqueue("sell", Order(number=40, lines=["a", "b"]))
    with queue.worker(registry) as running:
        job = queue.ended(job_id)
    assert job.status == "completed"
    assert job.result_as(Receipt) == Receipt(total=42)
    assert [event.job_id for event in running.events.of(JobSucceeded)] == [job_id]


def test_sync_handler_runs_outside_the_event_loop(queue: OwnQueue, registry: Registry) -> None:
    both_inside = threading.Barrier(2, timeout=30)

    @registry.task("meet")
    def meet(payload: Any) -> str:
        both_inside.wait()
        return threading.current_thread().name

    job_ids = [queue.enqueue("meet") for _ in range(2)]
    with queue.worker(registry):
        jobs = [queue.ended(job_id) for job_id in job_ids]
    assert [job.status for job in jobs] == ["completed"] * 2
    assert all(str(job.result).startswith("supaqueue-handler") for job in jobs)


def test_handler_may_take_nothing_or_the_context_alone(queue: OwnQueue, registry: Registry) -> None:
    @registry.task("nothing")
    async def nothing() -> None:
        return None

    @registry.task("context")
    def only_context(context: Context) -> dict[str, Any]:
        return {"job_id": context.job_id, "of": context.max_attempts, "type": context.task_type}

    first, second = queue.enqueue("nothing", {"ignored": 1}), queue.enqueue("context", max_attempts=3)
    with queue.worker(registry):
        assert queue.ended(first).status == "completed"
        assert queue.ended(second).result == {"job_id": second, "of": 3, "type": "context"}


ENDINGS: dict[str, tuple[Any, str, list[str], int]] = {
    "done": (Done({"n": 1}), "completed", ["done"], 1),
    "plain": ([1, "two", None], "completed", ["done"], 1),
    "retry": (Retry(after=0), "failed", ["retry", "retry"], 2),
    "snooze": (Snooze(0), "completed", ["snooze", "done"], 1),
    "cancel": (Cancel("no longer wanted"), "cancelled", ["cancel"], 1),
    "fail": (Fail("cannot be done"), "failed", ["fail"], 1),
    "raise": (RuntimeError("went wrong"), "failed", ["retry", "retry"], 2),
}


@pytest.mark.parametrize("colour", ["async", "sync"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_outcomes(ending: str, colour: str, queue: OwnQueue, registry: Registry) -> None:
    outcome, status, outcomes, attempts = ENDINGS[ending]
    runs: list[int] = []

    def end(context: Context) -> Any:
        runs.append(context.attempt)
        if isinstance(outcome, Exception):
            raise outcome
        return "second run" if isinstance(outcome, Snooze) and len(runs) == 2 else outcome

    async def end_async(context: Context) -> Any:
        return end(context)

    registry.task("end")(end if colour == "sync" else end_async)
    job_id = queue.enqueue("end", max_attempts=2, backoff=0)
    with queue.worker(registry) as running:
        job = queue.ended(job_id)
    assert job.status == status
    assert [attempt.outcome for attempt in job.tasks[0].history] == outcomes
    assert job.tasks[0].attempts == attempts
    assert runs == ([1, 1] if ending == "snooze" else list(range(1, attempts + 1)))
    events = running.events
    assert len(events.of(JobStarted)) == len(outcomes)
    assert len(events.of(JobSucceeded)) == (status == "completed")
    assert len(events.of(JobFailed)) == (status == "failed")
    assert len(events.of(JobRetried)) == (attempts - 1)


def test_error_of_a_handler_is_kept(queue: OwnQueue, registry: Registry) -> None:
    @registry.task("divide")
    def divide(by: int) -> float:
        return 1 / by

    job_id = queue.enqueue("divide", 0, max_attempts=1)
    with queue.worker(registry) as running:
        assert queue.ended(job_id).error == {"type": "ZeroDivisionError", "message": "division by zero"}
    [failed] = running.events.of(JobFailed)
    assert failed.error_type == "ZeroDivisionError"
    assert isinstance(failed.exception, ZeroDivisionError)


def test_retry_waits_as_long_as_the_handler_says(queue: OwnQueue, registry: Registry) -> None:
    @registry.task("later")
    async def later() -> Retry:
        return Retry(after=3600, reason="not yet")

    job_id = queue.enqueue("later")
    with queue.worker(registry) as running:
        until(lambda: running.events.of(JobRetried), "the retry")
        task = queue.task(job_id)
    assert (task.status, task.attempts) == ("pending", 1)
    assert 3500 < running.events.of(JobRetried)[0].retry_in_seconds <= 3600
    assert task.error == {"type": "Retry", "message": "not yet"}
