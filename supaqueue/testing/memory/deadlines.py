"""Timeouts of attempts, and deadlines of tasks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from supaqueue.testing.memory.graphs import go_on
from supaqueue.testing.memory.settle import settle
from supaqueue.testing.memory.tables import Row, Tables, TaskRow

ALLOWANCE = timedelta(seconds=15)
"""For a worker that is not stuck to end an attempt in time, and to say so."""

MESSAGE_LIMIT = 2000


def lease_end(wanted: datetime, now: datetime, task: TaskRow) -> datetime:
    """Return when a lease ends that is renewed now: not long after the attempt's timeout or the deadline."""
    if task.started_at is None:
        return wanted
    limits = [task.deadline_at] if task.deadline_at else []
    if task.timeout is not None:
        limits.append(task.started_at + task.timeout)
    return max(now, min(wanted, min(limits) + ALLOWANCE)) if limits else wanted


def expire(tables: Tables, queue: str) -> list[Row]:
    """Fail the waiting tasks of a queue whose deadline has passed, and return them."""
    late = [
        task
        for task in tables.tasks()
        if task.queue == queue and task.status == "pending" and is_late(task, tables.now)
    ]
    for task in late:
        task.status, task.position, task.finished_at = "failed", None, tables.now
        task.error = deadline_error(task, task.error)
        tables.end_turn(task)
        settle(tables.jobs[task.job_id], tables.now)
    go_on(tables, late)
    return [failed_row(task, task.error) for task in late]


def is_late(task: TaskRow, moment: datetime) -> bool:
    """Whether no attempt may begin at a moment."""
    return task.deadline_at is not None and task.deadline_at <= moment


def deadline_error(task: TaskRow, last_error: Any) -> Row:
    """Return why a task failed that ran out of time."""
    assert task.deadline_at is not None
    text = f"no attempt may begin after its deadline, {task.deadline_at:%Y-%m-%dT%H:%M:%SZ}"
    if last_error is not None:
        parts = (last_error.get(name) for name in ("type", "message"))
        text += f"; the last one ended with {': '.join(str(part) for part in parts if part is not None)}"
    return {"type": "DeadlineExceeded", "message": text[:MESSAGE_LIMIT]}


def failed_row(task: TaskRow, error: Any) -> Row:
    """Return what a claim says of a task that it failed."""
    return {
        "job_id": task.job_id,
        "task_number": task.task_number,
        "queue": task.queue,
        "task_type": task.task_type,
        "attempt": task.attempts,
        "error_type": error.get("type") if error else None,
    }
