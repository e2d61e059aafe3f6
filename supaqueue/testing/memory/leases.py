"""Leases: how a task enters claimed and processing, and the one place where it leaves them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from supaqueue.job import TaskStatus
from supaqueue.testing.memory.deadlines import deadline_error, failed_row, is_late, lease_end
from supaqueue.testing.memory.graphs import go_on
from supaqueue.testing.memory.settle import settle
from supaqueue.testing.memory.tables import AttemptRow, JobRow, Row, Tables, TaskRow

LOST_LEASE_CAP = 5
HISTORY_LIMIT = 20
ENDS: dict[str, TaskStatus] = {
    "done": "completed",
    "fail": "failed",
    "park": "failed",
    "cancel": "cancelled",
}
NEVER_STARTED = frozenset({"not_started", "lease_lost"})


def lease(tables: Tables, task: TaskRow, seconds: float, request_id: str, worker_id: str) -> None:
    """Give a ready task to a worker."""
    task.status = "claimed"
    task.lease_token += 1
    task.claim_request, task.worker_id = request_id, worker_id
    task.claimed_at = task.last_heartbeat = tables.now
    task.lease_expires_at = tables.now + timedelta(seconds=seconds)
    task.progress_number = 0
    settle(tables.jobs[task.job_id], tables.now)


def claimed(task: TaskRow, now: datetime) -> Row:
    """Return what a worker is told of a task that it holds."""
    assert task.claimed_at is not None
    return {
        "job_id": task.job_id,
        "task_number": task.task_number,
        "queue": task.queue,
        "task_type": task.task_type,
        "payload": task.payload,
        "lease_token": task.lease_token,
        "attempt": task.attempts + 1,
        "max_attempts": task.max_attempts,
        "waited_seconds": (task.claimed_at - task.run_at).total_seconds(),
        "timeout_seconds": task.timeout.total_seconds() if task.timeout else None,
        "deadline_in_seconds": (task.deadline_at - now).total_seconds() if task.deadline_at else None,
        "checkpoint": task.checkpoint,
        "purpose": "run",
    } | ({} if task.name is None else {"task_name": task.name, "results_before": len(task.runs_after)})


def start(tables: Tables, started: Iterable[Row], worker_id: str) -> None:
    """Record that handlers have begun."""
    for row in started:
        task = tables.task(row)
        if task and task.status == "claimed" and task.is_held(row["lease_token"], worker_id):
            task.status, task.started_at = "processing", tables.now
            tables.jobs[task.job_id].has_begun = True
            assert task.lease_expires_at is not None
            task.lease_expires_at = lease_end(task.lease_expires_at, tables.now, task)


def end_leases(tables: Tables, endings: Iterable[Row], reporter: str | None) -> list[Row]:
    """End leases, and return what became `failed`.

    An ending of a lease that is not the present one changes nothing, nor does one by another worker than
    `reporter` (None: whoever holds it).
    """
    failed = []
    ended = []
    for ending in endings:
        task = tables.task(ending)
        if task is None or not task.is_held(ending["lease_token"], reporter):
            continue
        error = _end(tables, tables.jobs[task.job_id], task, ending)
        if task.status == "failed":
            failed.append(failed_row(task, error))
        if task.status != "pending":
            ended.append(task)
    go_on(tables, ended)
    return failed


def _end(tables: Tables, job: JobRow, task: TaskRow, ending: Row) -> Any:
    """End a lease, and return the error that it ended with."""
    outcome = ending["outcome"]
    cost = _cost(task, outcome)
    task.attempts += cost
    task.lost_leases += outcome == "lease_lost"
    started_at = task.started_at or _started_at(tables.now, ending)
    job.has_begun |= started_at is not None
    run_at, error = _next_run_at(tables, task, ending), ending.get("error")
    status = _status_after(job, task, outcome)
    if status == "pending" and is_late(task, run_at):
        status, error = "failed", deadline_error(task, task.error if error is None else error)
    task.history[task.lease_token] = AttemptRow(
        lease_token=task.lease_token,
        attempt=task.attempts if cost else None,
        worker_id=task.worker_id,
        claimed_at=task.claimed_at,
        started_at=started_at,
        ended_at=tables.now,
        outcome=outcome,
        status_after=status,
        error=ending.get("error"),
    )
    task.history.pop(task.lease_token - HISTORY_LIMIT, None)
    if outcome == "done":
        task.result = ending.get("result")
    task.error = None if status == "completed" else task.error if error is None else error
    task.parked = outcome == "park"
    task.skipped = job.stopped and status == "cancelled"
    _leave(tables, task, status, started_at, run_at)
    settle(job, tables.now)
    return error


def _cost(task: TaskRow, outcome: str) -> int:
    if outcome == "lease_lost":
        return int(task.status == "processing")
    return int(outcome not in ("snooze", "not_started", "park"))


def _started_at(now: datetime, ending: Row) -> datetime | None:
    if ending["outcome"] in NEVER_STARTED:
        return None
    return now - timedelta(seconds=ending.get("ran_seconds") or 0)


def _status_after(job: JobRow, task: TaskRow, outcome: str) -> TaskStatus:
    if outcome in ENDS:
        return ENDS[outcome]
    if outcome in ("retry", "lease_lost") and task.attempts >= task.max_attempts:
        return "failed"
    if task.lost_leases > LOST_LEASE_CAP:
        return "failed"
    return "cancelled" if job.cancel_requested_at else "pending"


def _next_run_at(tables: Tables, task: TaskRow, ending: Row) -> datetime:
    after = ending.get("after_seconds")
    match ending["outcome"]:
        case "retry":
            after = _retry_delay(tables, task) if after is None else after
            return tables.now + timedelta(seconds=after)
        case "snooze":
            return tables.now + timedelta(seconds=after or 0)
    return tables.now


def _retry_delay(tables: Tables, task: TaskRow) -> float:
    """Return for how long the retry after this attempt waits, in seconds."""
    longest = task.backoff.longest(task.attempts - task.attempts_before_replay)
    return longest * (tables.random.random() if task.backoff.jitter else 1)


def _leave(
    tables: Tables, task: TaskRow, status: TaskStatus, started_at: datetime | None, run_at: datetime
) -> None:
    task.status = status
    task.worker_id = task.claim_request = task.lease_expires_at = task.claimed_at = None
    if status == "pending":
        task.run_at, task.started_at, task.position = run_at, None, tables.position_at(run_at)
    else:
        task.finished_at, task.started_at, task.position = tables.now, started_at, None
        tables.end_turn(task)
