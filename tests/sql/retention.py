"""Jobs that ended long ago, and the calls that remove them."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any
from uuid import uuid4

from tests.sql.calls import Calls, Row, Worker, answers, endings

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


def dead_letters(calls: Calls, job_ids: Iterable[str]) -> list[Row]:
    """The leases under which jobs failed, as a replay names them."""
    query = """select job_id::text, task_number, lease_token from job_tasks
               where job_id = any(%s) and status = 'failed' order by job_id"""
    names = ("job_id", "task_number", "lease_token")
    return [dict(zip(names, row, strict=True)) for row in calls.connection.execute(query, [list(job_ids)])]


def replay(calls: Calls, tasks: Iterable[Row]) -> list[str]:
    """Let dead letters run again, and return the answers."""
    return answers(calls.call("replay_job_tasks_v1", tasks=list(tasks)))
