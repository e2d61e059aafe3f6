"""Leaving: what runs may end, the rest is handed back, and no attempt is spent on it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from supaqueue.telemetry.events import JobFailed, JobRetried, JobStarted
from supaqueue.worker import Context, Registry
from tests.worker.processes import WorkerProcess
from tests.worker.running import OwnQueue
from tests.worker.waiting import until

Start = Callable[..., WorkerProcess]


def test_what_runs_ends_and_what_waits_is_handed_back(queue: OwnQueue, registry: Registry) -> None:
    release = threading.Event()
    registry.task("quick")(lambda: None)

    @registry.task("wait")
    async def wait() -> str:
        while not release.is_set():
            await asyncio.sleep(0.01)
        return "ended"

    # Quick ones first: a worker of quick tasks claims ahead.
    queue.client.enqueue_many([{"task_type": "quick", "queue": queue.name}] * 200)
    job_ids = [queue.enqueue("wait") for _ in range(12)]
    with queue.worker(registry, concurrency=2, lease_seconds=60.0) as running:
        until(
            lambda: len([e for e in running.events.of(JobStarted) if e.task_type == "wait"]) == 2,
            "two inside",
        )
        until(lambda: sum(queue.task(job_id).status == "claimed" for job_id in job_ids) > 2, "some that wait")
        held = {job_id for job_id in job_ids if queue.task(job_id).status in ("claimed", "processing")}
        begun = {event.job_id for event in running.events.of(JobStarted)} & set(job_ids)
        running.ask_to_stop()
        handed_back = held - begun
        until(lambda: all(queue.task(job_id).status == "pending" for job_id in handed_back), "the hand-back")
        assert running.running
        release.set()
        running.wait_until_stopped()
    assert running.handlers_ended is True
    assert len(begun) == 2
    assert {queue.job(job_id).result for job_id in begun} == {"ended"}
    for job_id in handed_back:
        task = queue.task(job_id)
        assert (task.attempts, task.lost_leases, task.worker_id) == (0, 0, None)
        assert [attempt.outcome for attempt in task.history] == ["not_started"]
    with queue.worker(registry):
        assert {queue.ended(job_id).status for job_id in job_ids} == {"completed"}


@pytest.mark.parametrize("colour", ["async", "sync", "async with an error of its own"])
def test_handler_interrupted_after_the_grace_time_costs_no_attempt(
    colour: str, queue: OwnQueue, registry: Registry
) -> None:
    attempts: list[int] = []

    async def wait_async(context: Context) -> str:
        attempts.append(context.attempt)
        if len(attempts) == 2:
            return "second worker"
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if colour == "async":
                raise
            raise ConnectionError("the library's word for it") from None
        return "never"

    def wait_sync(context: Context) -> str:
        attempts.append(context.attempt)
        if len(attempts) == 1:
            until(lambda: context.cancelled, "to be told")
        context.raise_if_cancelled()
        return "second worker"

    registry.task("wait")(wait_sync if colour == "sync" else wait_async)
    job_id = queue.enqueue("wait", max_attempts=1)
    with queue.worker(registry, grace_seconds=0.1, lease_seconds=60.0) as running:
        until(lambda: attempts, "the handler")
    assert running.handlers_ended is True
    assert queue.task(job_id).attempts == 0
    assert queue.outcomes(job_id) == ["snooze"]
    assert (running.events.of(JobFailed), running.events.of(JobRetried)) == ([], [])
    with queue.worker(registry):
        assert queue.ended(job_id).result == "second worker"
    assert attempts == [1, 1]


def test_sync_handler_that_does_not_look_outlives_the_worker(queue: OwnQueue, registry: Registry) -> None:
    inside, release = threading.Event(), threading.Event()

    @registry.task("wait")
    def wait() -> None:
        inside.set()
        release.wait(60)

    job_id = queue.enqueue("wait")
    with queue.worker(registry, grace_seconds=0.1, lease_seconds=60.0) as running:
        assert inside.wait(30)
    release.set()
    assert running.handlers_ended is False
    assert queue.task(job_id).status in ("claimed", "processing")


def test_worker_that_is_stopped_before_it_began(queue: OwnQueue, registry: Registry) -> None:
    registry.task("work")(lambda: None)
    running = queue.worker(registry)
    running.worker.stop()
    with running:
        running.wait_until_stopped()
    assert running.handlers_ended is True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_process_lets_its_handlers_end(
    number: signal.Signals, queue: OwnQueue, start: Start, gate: Path
) -> None:
    worker = start("--grace-seconds", "60")
    job_ids = [queue.enqueue(kind, {"folder": str(gate)}) for kind in ("pass_gate", "pass_gate_in_thread")]
    until(lambda: worker.has_entered(gate), "a handler")
    until(lambda: len(worker.logged("job_started")) == 2, "both handlers")
    worker.process.send_signal(number)
    (gate / "open").touch()
    assert worker.process.wait(60) == 0
    assert [queue.job(job_id).status for job_id in job_ids] == ["completed"] * 2


@pytest.mark.parametrize("task_type", ["pass_gate", "pass_gate_in_thread", "block_loop"])
def test_second_signal_ends_the_process_at_once(
    task_type: str, queue: OwnQueue, start: Start, gate: Path
) -> None:
    worker = start("--grace-seconds", "3600", "--lease-seconds", "3600")
    job_id = queue.enqueue(task_type, {"folder": str(gate)})
    until(lambda: worker.has_entered(gate), "the handler")
    worker.process.send_signal(signal.SIGTERM)
    worker.process.send_signal(signal.SIGINT)
    assert worker.process.wait(60) == 130
    assert queue.task(job_id).status in ("claimed", "processing")


def test_handler_that_never_ends_does_not_keep_the_process(queue: OwnQueue, start: Start, gate: Path) -> None:
    worker = start("--grace-seconds", "0.1")
    queue.enqueue("pass_gate_in_thread", {"folder": str(gate)})
    until(lambda: worker.has_entered(gate), "the handler")
    assert worker.terminate() == 1
