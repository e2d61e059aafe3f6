"""Jobs cancelled while a worker holds them: it hears of it with its next heartbeat."""

from __future__ import annotations

import asyncio
import threading

from supaqueue.telemetry.events import JobFailed, JobRetried, JobStarted, JobSucceeded, LeaseLost
from supaqueue.worker import Context, Registry
from tests.worker.running import OwnQueue
from tests.worker.waiting import until


def test_async_handler_is_cancelled_where_it_waits(queue: OwnQueue, registry: Registry) -> None:
    inside, cancelled = threading.Event(), threading.Event()

    @registry.task("wait")
    async def wait() -> None:
        inside.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    job_id = queue.enqueue("wait")
    with queue.worker(registry, lease_seconds=2.0) as running:
        assert inside.wait(30)
        assert queue.client.cancel(job_id).answer == "requested"
        job = queue.ended(job_id)
    assert cancelled.is_set()
    assert job.status == "cancelled"
    assert queue.outcomes(job_id) == ["cancel"]
    for kind in (JobFailed, JobRetried, JobSucceeded, LeaseLost):
        assert running.events.of(kind) == []


def test_async_handler_may_turn_its_cancellation_into_an_error(queue: OwnQueue, registry: Registry) -> None:
    inside = threading.Event()

    @registry.task("wait")
    async def wait() -> None:
        inside.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionError("the library's word for it") from None

    job_id = queue.enqueue("wait")
    with queue.worker(registry, lease_seconds=2.0):
        assert inside.wait(30)
        queue.client.cancel(job_id)
        assert queue.ended(job_id).status == "cancelled"


def test_sync_handler_is_told_through_its_context(queue: OwnQueue, registry: Registry) -> None:
    inside = threading.Event()

    @registry.task("wait")
    def wait(context: Context) -> None:
        inside.set()
        until(lambda: context.cancelled, "to be told")
        context.raise_if_cancelled()

    job_id = queue.enqueue("wait")
    with queue.worker(registry, lease_seconds=2.0):
        assert inside.wait(30)
        queue.client.cancel(job_id)
        assert queue.ended(job_id).status == "cancelled"
    assert queue.outcomes(job_id) == ["cancel"]


def test_sync_handler_that_ends_all_the_same_is_done(queue: OwnQueue, registry: Registry) -> None:
    inside = threading.Event()

    @registry.task("wait")
    def wait(context: Context) -> str:
        inside.set()
        until(lambda: context.cancelled, "to be told")
        return "finished"

    job_id = queue.enqueue("wait")
    with queue.worker(registry, lease_seconds=2.0):
        assert inside.wait(30)
        queue.client.cancel(job_id)
        job = queue.ended(job_id)
    assert (job.status, job.result) == ("completed", "finished")


def test_task_that_waits_in_the_worker_ends_without_a_start(queue: OwnQueue, registry: Registry) -> None:
    release = threading.Event()
    registry.task("quick")(lambda: None)

    @registry.task("wait")
    def wait() -> None:
        release.wait(30)

    # Quick ones first: a worker of quick tasks claims ahead.
    queue.client.enqueue_many([{"task_type": "quick", "queue": queue.name}] * 200)
    job_ids = [queue.enqueue("wait") for _ in range(12)]
    with queue.worker(registry, concurrency=2, lease_seconds=2.0) as running:
        until(
            lambda: len({event.job_id for event in running.events.of(JobStarted)} & set(job_ids)) == 2,
            "both slots to be taken",
        )
        begun = {event.job_id for event in running.events.of(JobStarted)}
        waiting = until(
            lambda: next(
                (id for id in job_ids if id not in begun and queue.task(id).status == "claimed"), None
            ),
            "a task that waits in the worker",
        )
        assert waiting is not None
        queue.client.cancel(waiting)
        assert queue.ended(waiting).status == "cancelled"
        release.set()
        assert {queue.ended(job_id).status for job_id in job_ids} == {"completed", "cancelled"}
    assert queue.outcomes(waiting) == ["cancel"]
    assert waiting not in {event.job_id for event in running.events.of(JobStarted)}
