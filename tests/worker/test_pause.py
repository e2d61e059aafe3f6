"""A worker whose queue is paused."""

from __future__ import annotations

import threading

import pytest

from supaqueue.worker import Context, Registry, runner
from tests.worker.running import OwnQueue
from tests.worker.waiting import until


def test_what_runs_goes_on_and_nothing_new_begins(queue: OwnQueue, registry: Registry) -> None:
    release, inside = threading.Event(), threading.Event()

    @registry.task("wait")
    def wait(context: Context) -> str:
        inside.set()
        release.wait(60)
        return context.queue

    other = f"{queue.name}-other"
    running_job = queue.enqueue("wait")
    with queue.worker(registry, queues=[queue.name, other], concurrency=2):
        assert inside.wait(30)
        queue.client.pause(queue.name)
        waiting = queue.enqueue("wait")
        elsewhere = queue.client.enqueue("wait", queue=other).job_id
        until(lambda: queue.task(elsewhere).status == "processing", "the other queue's job to run")
        release.set()
        assert queue.ended(running_job).result == queue.name
        assert queue.ended(elsewhere).result == other
        for _ in range(3):  # more jobs of the other queue pass, this one's waits
            assert queue.ended(queue.client.enqueue("wait", queue=other).job_id).result == other
        assert queue.task(waiting).status == "pending"
        queue.client.resume(queue.name)
        assert queue.ended(waiting).result == queue.name


def test_what_was_claimed_ahead_goes_back(
    queue: OwnQueue, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "AHEAD_SECONDS", 600.0)  # else it would go back anyway, after a second
    release = threading.Event()
    registry.task("short")(lambda: None)

    @registry.task("wait")
    def wait() -> None:
        release.wait(60)

    with queue.worker(registry, concurrency=1, lease_seconds=60.0):
        shorts = [{"task_type": "short", "queue": queue.name}] * 200
        queue.client.wait_many([answer.job_id for answer in queue.client.enqueue_many(shorts)], timeout=60)
        jobs = [queue.enqueue("wait") for _ in range(3)]
        until(lambda: queue.task(jobs[2]).status == "claimed", "two to be claimed ahead")
        queue.client.pause(queue.name)
        until(
            lambda: queue.outcomes(jobs[1]) + queue.outcomes(jobs[2]) == ["not_started"] * 2,
            "them to go back",
        )
        queue.client.resume(queue.name)
        release.set()
        assert [job.tasks[0].attempts for job in queue.client.wait_many(jobs, timeout=60)] == [1, 1, 1]
