"""Reading jobs by id, and listing them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, get_args

from supaqueue.job import JobStatus
from supaqueue.testing.memory.checks import check_call, check_range, check_rows, read_job_ids
from supaqueue.testing.memory.graph_rows import graph_row, telling_tasks
from supaqueue.testing.memory.moment import is_moment, read_moment, written
from supaqueue.testing.memory.refused import invalid
from supaqueue.testing.memory.tables import JobRow, Row, Tables, TaskRow

_FILTER = {
    "queue": "1 to 200 characters",
    "task_type": "1 to 200 characters",
    "status": "1 to 200 characters",
    "tag": "1 to 200 characters",
    "created_after": "a string",
    "created_before": "a string",
}
_PAGE = re.compile(r"(\S+) ([0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12})", re.ASCII)


def get_jobs_v1(
    tables: Tables, job_ids: Any, with_payload: Any, with_attempts: Any, contract_version: Any
) -> list[Row | None]:
    """Read jobs by id, None where there is none."""
    check_call(contract_version)
    found = (_found(tables, job_id) for job_id in read_job_ids(job_ids))
    return [
        job_row(job, with_payload, with_attempts) if job and job.content is not None else None
        for job in found
    ]


def _found(tables: Tables, job_id: str) -> JobRow | None:
    """Return a job; one that met a unique key is read as the job that held it."""
    job = tables.jobs.get(job_id)
    return tables.jobs.get(job.deduped_into) if job and job.deduped_into else job


def list_jobs_v1(tables: Tables, filter: Any, page: Any, page_size: Any, contract_version: Any) -> Row:
    """List jobs, newest first, by page."""
    check_call(contract_version)
    _check(filter, page, page_size)
    found = sorted((job for job in tables.jobs.values() if _passes(job, filter)), key=_age, reverse=True)
    after = _place(tables, page)
    listed = [job for job in found if after is None or _age(job) < after][:page_size]
    last = listed[-1] if len(listed) == page_size else None
    return {
        "jobs": [job_row(job, False, False) for job in listed],
        "next_page": f"{written(last.created_at)} {last.job_id}" if last else None,
    }


def job_row(job: JobRow, with_payload: bool, with_attempts: bool) -> Row:
    """Return a job as readers see it."""
    return {
        "job_id": job.job_id,
        "queue": job.queue,
        "task_type": job.task_type,
        "status": job.status,
        "owner": "supabase",
        "tags": job.tags,
        "created_at": written(job.created_at),
        "finished_at": written(job.finished_at),
        "cancel_requested": job.cancel_requested_at is not None and not job.stopped,
        "tasks": [task_row(task, with_payload, with_attempts) for task in telling_tasks(job)],
    } | graph_row(job)


def task_row(task: TaskRow, with_payload: bool, with_attempts: bool) -> Row:
    """Return a task as readers see it."""
    row: Row = {
        "task_number": task.task_number,
        "task_type": task.task_type,
        "status": task.status,
        "result": task.result,
        "error": task.error,
        "attempts": task.attempts,
        "max_attempts": task.max_attempts,
        "lost_leases": task.lost_leases,
        "run_at": written(task.run_at),
        "timeout_seconds": task.timeout.total_seconds() if task.timeout else None,
        "deadline_at": written(task.deadline_at),
        "parked": task.parked,
        "progress_percent": task.progress_percent,
        "progress_message": task.progress_message,
        "worker_id": task.worker_id,
        "last_heartbeat": written(task.last_heartbeat),
        "started_at": written(task.started_at),
        "finished_at": written(task.finished_at),
    }
    if task.name is not None:
        row |= {
            "name": task.name,
            "waits_for": task.waits_for,
            "skipped": task.skipped,
            "is_last": not task.runs_before,
        }
    if with_payload:
        row |= {"payload": task.payload, "checkpoint": task.checkpoint}
    if with_attempts:
        attempts = (task.history[token] for token in sorted(task.history))
        row["history"] = [_written_out(asdict(attempt)) for attempt in attempts]
    return row


def _written_out(row: Mapping[str, Any]) -> Row:
    return {name: written(cell) if isinstance(cell, datetime) else cell for name, cell in row.items()}


def _check(filter: Any, page: Any, page_size: Any) -> None:
    check_rows("filter", [filter], _FILTER, [])
    check_range("page_size", page_size, 1, 1000)
    at = _PAGE.fullmatch(page) if page is not None else None
    if page is not None and not (at and is_moment(at[1])):
        raise invalid("page: expected next_page of the last answer, or null")
    if filter.get("status") not in (None, *get_args(JobStatus)):
        raise invalid("filter.status: expected pending, processing, completed, failed, cancelled or mirrored")
    for field in ("created_after", "created_before"):
        if not is_moment(filter.get(field)):
            raise invalid(f"filter.{field}: expected a moment, like 2030-01-31T12:00:00Z")


def _passes(job: JobRow, filter: Row) -> bool:
    after, before = filter.get("created_after"), filter.get("created_before")
    return (
        job.content is not None
        and job.deduped_into is None
        and all(filter.get(name) in (None, getattr(job, name)) for name in ("queue", "task_type", "status"))
        and (filter.get("tag") is None or filter["tag"] in job.tags)
        and (after is None or job.created_at >= read_moment(after))
        and (before is None or job.created_at < read_moment(before))
    )


def _age(job: JobRow) -> tuple[datetime, int, str]:
    # Postgres has no two calls in one moment; here the clock may stand still, and the calls are counted.
    return job.created_at, job.number, job.job_id


def _place(tables: Tables, page: str | None) -> tuple[datetime, int, str] | None:
    at = _PAGE.fullmatch(page) if page else None
    if at is None:
        return None
    last = tables.jobs.get(at[2])
    return _age(last) if last else (read_moment(at[1]), -1, at[2])
