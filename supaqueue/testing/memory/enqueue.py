"""Enqueuing."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from supaqueue.testing.memory.checks import (
    LONGEST_DELAY_SECONDS,
    ROWS_LIMIT,
    check_call,
    check_rows,
    has_bucket,
    out_of_range,
    refuse_first,
)
from supaqueue.testing.memory.moment import is_moment, read_moment
from supaqueue.testing.memory.refused import invalid
from supaqueue.testing.memory.tables import JobRow, Row, Tables, TaskRow

MOST_TAGS = 100
LONGEST_RETRY_DELAY_SECONDS = 2_592_000
_FIELDS = {
    "job_id": "a UUID",
    "queue": "1 to 200 characters",
    "task_type": "1 to 200 characters",
    "payload": "JSON",
    "run_at": "a string",
    "delay_seconds": "a number",
    "max_attempts": "1 to 1000",
    "retry_delay_seconds": "a number",
    "tags": "an array of names",
}


def enqueue_jobs_v1(tables: Tables, jobs: Any, contract_version: Any) -> list[Row]:
    """Store jobs, each with one task: `created`, `exists` or `conflict`."""
    check_call(contract_version)
    _check(jobs)
    order = tables.next_number()
    return [{"job_id": row["job_id"].lower(), "answer": _enqueue(tables, row, order)} for row in jobs]


def _check(jobs: Any) -> None:
    check_rows("jobs[%s]", jobs, _FIELDS, ["job_id", "queue", "task_type"])
    if len(jobs) > ROWS_LIMIT:
        raise invalid("jobs: expected at most 10000 in one call")
    refuse_first("jobs", map(_problem, jobs))


def _problem(row: Row) -> str | None:
    if not has_bucket(row["job_id"]):
        return "job_id: expected a UUID whose last 14 bits are a bucket, 0 to 9999"
    if not is_moment(row.get("run_at")):
        return "run_at: expected a moment, like 2030-01-31T12:00:00Z"
    if row.get("run_at") is not None and row.get("delay_seconds") is not None:
        return "delay_seconds: expected none together with run_at"
    if out_of_range(row, "delay_seconds", LONGEST_DELAY_SECONDS):
        return "delay_seconds: expected 0 to 3153600000"
    if out_of_range(row, "retry_delay_seconds", LONGEST_RETRY_DELAY_SECONDS):
        return "retry_delay_seconds: expected 0 to 2592000"
    if len(row.get("tags") or ()) > MOST_TAGS:
        return "tags: expected at most 100"
    return None


def _enqueue(tables: Tables, row: Row, order: int) -> str:
    content = json.dumps({key: row[key] for key in row if key != "job_id"}, sort_keys=True)
    there = tables.jobs.get(row["job_id"].lower())
    if there is None:
        job = _new_job(tables, row, content, order)
        tables.jobs[job.job_id] = job
        return "created"
    return "exists" if there.abandoned_at is None and there.content == content else "conflict"


def _new_job(tables: Tables, row: Row, content: str, order: int) -> JobRow:
    job = JobRow(
        job_id=row["job_id"].lower(),
        number=order,
        created_at=tables.now,
        queue=row["queue"],
        task_type=row["task_type"],
        content=content,
        tags=row.get("tags") or [],
    )
    job.tasks.append(_new_task(tables, job, row))
    return job


def _new_task(tables: Tables, job: JobRow, row: Row) -> TaskRow:
    run_at = _run_at(tables.now, row)
    return TaskRow(
        job_id=job.job_id,
        task_number=0,
        queue=job.queue,
        task_type=job.task_type,
        payload=row.get("payload"),
        payload_bytes=len(json.dumps(row.get("payload"), ensure_ascii=False).encode()),
        run_at=run_at,
        position=tables.position_at(run_at),
        max_attempts=int(_or(row.get("max_attempts"), 5)),
        retry_delay=timedelta(seconds=_or(row.get("retry_delay_seconds"), 5)),
    )


def _run_at(now: datetime, row: Row) -> datetime:
    if row.get("run_at") is not None:
        return read_moment(row["run_at"])
    return now + timedelta(seconds=_or(row.get("delay_seconds"), 0))


def _or(value: Any, default: float) -> float:
    return default if value is None else float(value)
