"""Jobs that ended long ago, and the calls that remove them."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any
from uuid import uuid4

from tests.sql.calls import Calls, Row, Worker, endings

DAY = 86_400

OUTCOMES = {"completed": "done", "failed": "fail", "cancelled": "cancel"}


def ended(worker: Worker, status: str = "completed", count: int = 1, **options: Any) -> list[str]:
    """Enqueue jobs in the worker's first queue, run them to a status, and return their ids."""
    ids = worker.enqueue_new(worker.queues[0], count, **options)
    tasks = worker.claim(count)
    assert {task["job_id"] for task in tasks} == set(ids)
    worker.finish(endings(tasks, OUTCOMES[status]))
    return ids


def grow_older(calls: Calls, days: float, job_ids: Iterable[str]) -> None:
    """Put all moments of jobs into the past."""
    ids = list(job_ids)
    age = f"interval '{days} days'"
    calls.connection.execute(
        f"update jobs set created_at = created_at - {age}, finished_at = finished_at - {age},"
        f" abandoned_at = abandoned_at - {age} where job_id = any(%s)".encode(),
        [ids],
    )
    calls.connection.execute(
        f"update job_tasks set finished_at = finished_at - {age} where job_id = any(%s)".encode(), [ids]
    )


def prune(calls: Calls, policy: Row, **options: Any) -> Row:
    """Prune one batch, under a new request unless one is given."""
    arguments = {"request_id": str(uuid4()), "page": None, "max_jobs": 1000, "dry_run": False}
    return dict(calls.call("prune_jobs_v1", policy=policy, **arguments | options))


def read(calls: Calls, policy: Row, **options: Any) -> Row:
    """Read what an archive would hold."""
    return dict(
        calls.call("read_jobs_to_archive_v1", policy=policy, **{"page": None, "max_jobs": 1000} | options)
    )


def delete(calls: Calls, jobs: Iterable[Row], batch_id: str | None = None) -> Row:
    """Delete jobs as `read` answered them, as one batch."""
    lines = [{"job_id": job["job_id"], "sha256": sha256(job["line"].encode()).hexdigest()} for job in jobs]
    batch = {"batch_id": batch_id or str(uuid4()), "file": "f", "jobs": len(lines), "sha256": "s"}
    return dict(calls.call("delete_archived_jobs_v1", batch=batch, jobs=lines))


def left(calls: Calls) -> set[str]:
    """The ids of all jobs in the table."""
    return {str(job_id) for (job_id,) in calls.connection.execute("select job_id from jobs")}


def replay(calls: Calls, job_id: str) -> None:
    """Bring a failed job back as a replay does: lock the job, then decide."""
    with calls.connection.transaction():
        calls.call_plain("supaqueue_lock_jobs", job_ids=[job_id])
        calls.connection.execute(
            """with replayed as (
                   update job_tasks set status = 'pending', position = nextval('job_task_position'),
                       max_attempts = max_attempts + 1, started_at = null, finished_at = null
                   where job_id = %s and status = 'failed' returning job_id)
               update jobs set status = 'pending', unfinished_tasks = 1, failed_tasks = 0, finished_at = null
               where job_id in (select job_id from replayed)""",
            [job_id],
        )
        # Checked as a replay keeps its history: the attempts of the earlier life are no terminal ones now.
        calls.connection.execute(
            "update job_task_attempts set status_after = 'pending' where job_id = %s", [job_id]
        )
