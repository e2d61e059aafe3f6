"""Unique keys: who holds one, and what becomes of a job that finds one held."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from supaqueue.job import ENDED
from supaqueue.testing.memory.checks import out_of_range
from supaqueue.testing.memory.tables import JobRow, KeyRow, Row, Tables, TaskRow

UNIQUE = {
    "unique_key": "1 to 200 characters",
    "unique_until": "a string",
    "unique_seconds": "a number",
    "unique_conflict": "a string",
}
"""The options that make a job unique."""

Met = Literal["deduplicated", "replaced", "pushed_back"]
LONGEST_WINDOW_SECONDS = 2_592_000


@dataclass(frozen=True, slots=True)
class Meeting:
    """A job met a key that another one holds."""

    holder: str
    met_as: Met


def unique_problem(row: Row) -> str | None:
    """Say what is wrong with how a job is to be unique; None if nothing."""
    if row.get("unique_key") is None:
        given = (name for name in UNIQUE if row.get(name) is not None)
        return next((f"{name}: expected none without unique_key" for name in given), None)
    until, seconds = row.get("unique_until"), row.get("unique_seconds")
    if (until is None) == (seconds is None):
        return "unique_until: expected either it or unique_seconds together with unique_key"
    if until not in (None, "started", "finished"):
        return "unique_until: expected started or finished"
    if out_of_range(row, "unique_seconds", LONGEST_WINDOW_SECONDS, 0.001):
        return "unique_seconds: expected 0.001 to 2592000"
    if row.get("unique_conflict") not in ("reject", "replace", "push_back"):
        return "unique_conflict: expected reject, replace or push_back together with unique_key"
    return None


def take_key(tables: Tables, row: Row) -> Meeting | None:
    """Let a new job hold the key that it asks for, if it asks for one; or say which other job holds it."""
    if row.get("unique_key") is None:
        return None
    name = row["task_type"], row["unique_key"]
    holder = _holder(tables, name)
    if holder is not None and not (row["unique_conflict"] != "reject" and _is_only_leased(holder)):
        return Meeting(holder.job_id, _met_as(holder, row["unique_conflict"]))
    seconds = row.get("unique_seconds")
    tables.keys[name] = KeyRow(
        row["job_id"].lower(), None if seconds is None else tables.now + timedelta(seconds=seconds)
    )
    return None


def is_key_held(tables: Tables, row: Row) -> bool:
    """Whether another job holds the key that a new one asks for."""
    key = row.get("unique_key")
    return key is not None and _holder(tables, (row["task_type"], key)) is not None


def retake_key(tables: Tables, job: JobRow) -> bool:
    """Let a job that is unique until its end hold its key again; answer whether it may run."""
    if job.unique_until != "finished":
        return True
    name = job.task_type, job.unique_key or ""
    holder = _holder(tables, name)
    if holder is not None and holder is not job:
        return False
    tables.keys[name] = KeyRow(job.job_id, None)
    return True


def replace_job(tables: Tables, job: JobRow, asked: TaskRow, row: Row, met_as: Met) -> None:
    """Give a waiting job what another one asked for, and its time too if it is pushed back."""
    [task] = job.tasks
    task.payload, task.payload_bytes = asked.payload, asked.payload_bytes
    task.backoff, task.timeout = asked.backoff, asked.timeout
    task.max_attempts = task.attempts + asked.max_attempts
    task.attempts_before_replay = task.attempts
    task.checkpoint = task.progress_percent = task.progress_message = None
    if task.position is not None and task.priority != asked.priority:
        task.position = asked.position or tables.next_number()
    task.priority = asked.priority
    if met_as == "pushed_back":
        task.run_at = asked.run_at
        task.position = None if asked.position is None else task.position or asked.position
    if task.status == "blocked":
        task.position = None
    task.deadline_at = _deadline_at(task, asked, row)
    job.tags = row.get("tags") or []


def _deadline_at(task: TaskRow, asked: TaskRow, row: Row) -> datetime | None:
    if row.get("deadline_at") is not None or asked.deadline_at is None:
        return asked.deadline_at
    return max(task.run_at, asked.run_at) + (asked.deadline_at - asked.run_at)


def _holder(tables: Tables, name: tuple[str, str]) -> JobRow | None:
    """Return the job that holds a key, None if it is free."""
    key = tables.keys.get(name)
    if key is None:
        return None
    job = tables.jobs[key.job_id]
    if key.expires_at is not None:
        return job if key.expires_at > tables.now else None
    return None if job.status in ENDED or (job.unique_until == "started" and job.has_begun) else job


def _is_only_leased(job: JobRow) -> bool:
    """Whether a worker has it, and it holds its key until it begins: it can be changed no more."""
    return job.unique_until == "started" and any(task.is_leased for task in job.tasks)


def _met_as(holder: JobRow, conflict: str) -> Met:
    waits = holder.status == "pending" and holder.cancel_requested_at is None and holder.on_failure is None
    if conflict == "reject" or not waits:
        return "deduplicated"
    return "replaced" if conflict == "replace" else "pushed_back"
