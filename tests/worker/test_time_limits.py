"""Timeouts of an attempt and deadlines of a task, kept by the worker and, where it is stuck, by the lease."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import psycopg
import pytest

from supaqueue.backoff import Backoff
from supaqueue.telemetry.events import JobFailed, JobRetried, LeaseLost
from supaqueue.worker import Context, Registry
from tests.worker.running import OwnQueue
from tests.worker.waiting import until


def test_async_handler_is_cancelled_and_tried_again(queue: OwnQueue, registry: Registry) -> None:
    cancelled: list[int] = []

    @registry.task("slow")
    async def slow(context: Context) -> str:
        assert context.timeout_seconds == 0.2
        if context.attempt == 1:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(context.attempt)
                raise
        return "done"

    job_id = queue.enqueue("slow", timeout=0.2, backoff=0)
    with queue.worker(registry) as running:
        job = queue.ended(job_id)
    assert (job.status, job.result, cancelled) == ("completed", "done", [1])
    assert queue.outcomes(job_id) == ["retry", "done"]
    assert job.tasks[0].history[0].error == {
        "type": "TimedOut",
        "message": "took longer than its timeout of 0.2 s",
    }
    assert [event.error_type for event in running.events.of(JobRetried)] == ["TimedOut"]


def test_sync_handler_that_looks_ends_in_time(queue: OwnQueue, registry: Registry) -> None:
    @registry.task("look")
    def look(context: Context) -> None:
        until(lambda: context.cancelled, "to be told")
        context.raise_if_cancelled()

    job_id = queue.enqueue("look", timeout=0.2, max_attempts=1)
    with queue.worker(registry) as running:
        job = queue.ended(job_id)
    assert (job.status, job.error["type"]) == ("failed", "TimedOut")  # type: ignore[call-overload,index]
    assert [event.error_type for event in running.events.of(JobFailed)] == ["TimedOut"]


def test_handler_that_goes_on_keeps_its_slot_and_another_worker_gets_the_task(
    queue: OwnQueue, registry: Registry
) -> None:
    release = threading.Event()
    runs: list[str] = []

    @registry.task("stubborn")
    def stubborn(context: Context) -> str:
        runs.append(context.worker_id)
        if len(runs) == 1:
            release.wait(60)
        return context.worker_id

    job_id = queue.enqueue("stubborn", timeout=0.2, backoff=0)
    with queue.worker(registry, concurrency=1) as first:
        until(lambda: queue.outcomes(job_id) == ["retry"], "the end to be reported without the handler")
        beside = queue.enqueue("stubborn")
        with queue.worker(registry, concurrency=1) as second:
            assert queue.ended(job_id).result == second.worker.worker_id
            assert queue.ended(beside).result == second.worker.worker_id
        assert first.running
        release.set()
        third = queue.enqueue("stubborn")
        assert queue.ended(third).result == first.worker.worker_id, "the slot is free again"
    assert first.handlers_ended is True
    assert first.events.of(LeaseLost) == []
    assert queue.outcomes(job_id) == ["retry", "done"]


def test_handler_that_swallows_its_cancellation_is_not_waited_for(
    queue: OwnQueue, registry: Registry
) -> None:
    release = threading.Event()

    @registry.task("deaf")
    async def deaf() -> None:
        while not release.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue

    job_id = queue.enqueue("deaf", timeout=0.1, max_attempts=1)
    with queue.worker(registry):
        assert queue.ended(job_id).status == "failed"
        release.set()
    assert queue.task(job_id).error["type"] == "TimedOut"  # type: ignore[call-overload,index]


@pytest.mark.slow
def test_blocked_worker_loses_the_task_by_the_lease(
    queue: OwnQueue, registry: Registry, database: psycopg.Connection[Any]
) -> None:
    """Its heartbeats go on: what ends the lease is the database, some time after the timeout."""
    release, inside = threading.Event(), threading.Event()

    @registry.task("block")
    async def block(context: Context) -> str:
        if context.attempt == 1:
            inside.set()
            release.wait(60)  # blocks the whole loop: nothing there can end it
        return context.worker_id

    job_id = queue.enqueue("block", timeout=1.0, backoff=0)
    with queue.worker(registry, lease_seconds=60.0, stall_seconds=600.0) as first:
        assert inside.wait(30)
        until(lambda: queue.task(job_id).status == "processing", "the start to be reported")
        # Not to wait for as long as the lease allows beyond the timeout: the attempt began a minute ago.
        with database.transaction():
            database.execute("select from jobs where job_id = %s for no key update", [job_id])
            database.execute(
                "update job_tasks set started_at = started_at - interval '1 min' where job_id = %s", [job_id]
            )
        with queue.worker(registry) as second:
            job = queue.ended(job_id)
            assert job.result == second.worker.worker_id
            release.set()
            until(lambda: first.events.of(LeaseLost), "the first worker to hear of it")
    assert queue.outcomes(job_id) == ["lease_lost", "done"]
    assert job.tasks[0].history[0].error["type"] == "TimedOut"  # type: ignore[call-overload,index]


@pytest.mark.parametrize("color", ["async", "sync"])
def test_deadline_ends_a_running_task_for_good(color: str, queue: OwnQueue, registry: Registry) -> None:
    if color == "async":

        @registry.task("late")
        async def wait_for_ever() -> None:
            await asyncio.Event().wait()
    else:

        @registry.task("late")
        def wait_until_told(context: Context) -> None:
            until(lambda: context.cancelled, "to be told")
            context.raise_if_cancelled()

    job_id = queue.enqueue("late", deadline=1.0)
    with queue.worker(registry) as running:
        job = queue.ended(job_id)
    assert (job.status, job.tasks[0].attempts) == ("failed", 1)
    assert job.error == {"type": "DeadlineExceeded", "message": "its deadline came while it ran"}
    assert [event.error_type for event in running.events.of(JobFailed)] == ["DeadlineExceeded"]


def test_deadline_ends_a_task_that_waits_for_its_retry(queue: OwnQueue, registry: Registry) -> None:
    @registry.task("fail")
    def fail() -> None:
        raise OSError("no route")

    job_id = queue.enqueue("fail", deadline=3600, backoff=7200)
    with queue.worker(registry):
        job = queue.ended(job_id)
    assert (job.status, job.tasks[0].attempts) == ("failed", 1)
    assert job.error["type"] == "DeadlineExceeded"  # type: ignore[call-overload,index]
    assert "OSError: no route" in job.error["message"]  # type: ignore[call-overload,index]


def test_deadline_that_comes_while_it_waits_is_told(
    queue: OwnQueue, registry: Registry, database: psycopg.Connection[Any]
) -> None:
    @registry.task("other")
    def other() -> None: ...

    job_id = queue.enqueue("unserved", deadline=0.1)
    with queue.worker(registry) as running:
        job = queue.ended(job_id)
        [failed] = until(lambda: running.events.of(JobFailed), "the event")
    assert (job.status, job.tasks[0].attempts, job.tasks[0].history) == ("failed", 0, ())
    assert (failed.job_id, failed.error_type) == (job_id, "DeadlineExceeded")


def test_what_handlers_declare_holds_for_their_type(queue: OwnQueue, registry: Registry) -> None:
    task_type = f"declared-{queue.name}"

    @registry.task(task_type, max_attempts=7, backoff=Backoff(delay=0.0), timeout=33, deadline=3600)
    def declared(context: Context) -> list[float | None]:
        return [context.max_attempts, context.timeout_seconds]

    with queue.worker(registry):
        until(
            lambda: queue.ended(queue.enqueue(task_type)).result == [7, 33],
            "the declaration to hold for what is enqueued after it",
        )
        own = queue.ended(queue.enqueue(task_type, max_attempts=2, timeout=44))
    assert own.result == [2, 44]
    assert own.tasks[0].deadline_at is not None
