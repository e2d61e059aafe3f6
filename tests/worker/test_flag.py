"""A worker while the flag of a cutover holds its tasks back, and one that runs shadows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from supaqueue.telemetry.events import JobStarted, JobSucceeded
from supaqueue.worker import Context, Registry, runner
from tests.worker.running import OwnQueue
from tests.worker.waiting import until

Database = psycopg.Connection[Any]


@contextmanager
def flag(database: Database, off: str, on: str) -> Iterator[None]:
    """Change the overall flag, and change it back."""
    change = "update feature_flag set {}, updated_by = 'test' where task_type is null"
    database.execute(change.format(off).encode())
    try:
        yield
    finally:
        database.execute(change.format(on).encode())


def test_what_runs_goes_on_and_what_was_claimed_ahead_goes_back(
    queue: OwnQueue, registry: Registry, database: Database, monkeypatch: pytest.MonkeyPatch
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
        with flag(database, "is_enabled = false, rollout_percent = 0", "is_enabled = true"):
            until(
                lambda: queue.outcomes(jobs[1]) + queue.outcomes(jobs[2]) == ["not_started"] * 2,
                "them to go back",
            )
            release.set()
            assert queue.ended(jobs[0]).status == "completed"
            assert queue.task(jobs[1]).status == queue.task(jobs[2]).status == "pending"
        assert [job.tasks[0].attempts for job in queue.client.wait_many(jobs, timeout=60)] == [1, 1, 1]


def test_a_shadow_has_no_effects_and_is_not_counted(
    queue: OwnQueue, registry: Registry, database: Database
) -> None:
    sent: list[str] = []

    async def send(address: str, *, subject: str) -> str:
        sent.append(address)
        return f"{subject} is sent"

    @registry.task("notify")
    async def notify(address: str, context: Context) -> dict[str, Any]:
        answer = await context.effect(send, address, subject="hello")
        return {"answer": answer, "shadow": context.shadow}

    @registry.task("notify-in-thread")
    def notify_in_thread(address: str, context: Context) -> object:
        return context.sync_effect(sent.append, address)

    real, shadow, in_thread = (
        queue.enqueue(task_type, "ada@example.org") for task_type in ("notify", "notify", "notify-in-thread")
    )
    query = "update job_tasks set purpose = 'shadow' where job_id = any(%s::uuid[])"
    database.execute(query, [[shadow, in_thread]])
    with flag(database, "shadow_percent = 100", "shadow_percent = 0"), queue.worker(registry) as worker:
        assert queue.ended(real).result == {"answer": "hello is sent", "shadow": False}
        results = "select result from job_tasks where job_id = %s and status = 'completed'"
        until(lambda: database.execute(results, [in_thread]).fetchone(), "the sync shadow to end")
        [in_shadow] = until(lambda: database.execute(results, [shadow]).fetchone(), "the shadow to end")
    assert in_shadow == {
        "result": {"answer": None, "shadow": True},
        "effects": [
            {
                "function": f"{send.__module__}.{send.__qualname__}",
                "arguments": ["ada@example.org"],
                "keywords": {"subject": "hello"},
            }
        ],
        "effect_count": 1,
    }
    assert sent == ["ada@example.org"]
    assert [event.job_id for event in worker.events.of(JobStarted)] == [real]
    assert [event.job_id for event in worker.events.of(JobSucceeded)] == [real]
    job = queue.client.get(shadow)
    assert job is not None
    assert (job.status, job.tasks) == ("pending", ())
