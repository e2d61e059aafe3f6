"""Finishing, and heartbeats."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from supaqueue.testing.memory.checks import (
    LEASE,
    LONGEST_DELAY_SECONDS,
    check_call,
    check_lease_seconds,
    check_leases,
    check_rows,
    out_of_range,
    refuse_first,
)
from supaqueue.testing.memory.deadlines import lease_end
from supaqueue.testing.memory.leases import end_leases, start
from supaqueue.testing.memory.progress import progress_problem, record_progress
from supaqueue.testing.memory.tables import AttemptRow, Row, Tables, TaskRow, named

OUTCOMES = ("done", "retry", "snooze", "cancel", "fail", "park", "not_started")
_FIELDS = LEASE | {
    "outcome": "1 to 200 characters",
    "result": "JSON",
    "error": "an object",
    "after_seconds": "a number",
    "ran_seconds": "a number",
    "progress": "an object",
}


def finish_job_tasks_v1(tables: Tables, worker_id: Any, tasks: Any, contract_version: Any) -> list[Row]:
    """End leases: `recorded` with the status the task took then, `lost`, or `unknown`."""
    check_call(contract_version)
    check_rows("tasks[%s]", tasks, _FIELDS, [*LEASE, "outcome"])
    refuse_first("tasks", map(_problem, tasks))
    record_progress(tables, tasks, worker_id)
    end_leases(tables, tasks, worker_id)
    return [_finished(tables, row, worker_id) for row in tasks]


def heartbeat_job_tasks_v1(
    tables: Tables, worker_id: Any, tasks: Any, started: Any, lease_seconds: Any, contract_version: Any
) -> Row:
    """Renew leases, also expired ones that nobody took over: `held`, `cancel` or `lost`."""
    check_call(contract_version)
    check_lease_seconds(lease_seconds)
    check_rows("tasks[%s]", tasks, LEASE | {"progress": "an object"}, list(LEASE))
    refuse_first("tasks", (progress_problem(row.get("progress")) for row in tasks))
    check_leases("started", started)
    start(tables, started, worker_id)
    record_progress(tables, tasks, worker_id)
    if worker_id in tables.workers:
        tables.workers[worker_id].last_seen_at = tables.now
    wanted = tables.now + timedelta(seconds=lease_seconds)
    return {"tasks": [named(row) | {"answer": _renew(tables, row, worker_id, wanted)} for row in tasks]}


def _problem(row: Row) -> str | None:
    if row["outcome"] not in OUTCOMES:
        return f"outcome: expected one of {', '.join(OUTCOMES)}"
    for field in ("after_seconds", "ran_seconds"):
        if out_of_range(row, field, LONGEST_DELAY_SECONDS):
            return f"{field}: expected 0 to 3153600000"
    return progress_problem(row.get("progress"))


def _finished(tables: Tables, row: Row, worker_id: str) -> Row:
    task = tables.task(row)
    attempt = task.history.get(row["lease_token"]) if task else None
    if attempt and (attempt.worker_id != worker_id or attempt.outcome == "lease_lost"):
        attempt = None
    return named(row) | {
        "answer": "unknown" if task is None else "recorded" if attempt else "lost",
        "status": attempt.status_after if attempt else None,
        "retry_in_seconds": _retry_in(tables, task, attempt) if task and attempt else None,
    }


def _retry_in(tables: Tables, task: TaskRow, attempt: AttemptRow) -> float | None:
    if (attempt.outcome, attempt.status_after, task.status) != ("retry", "pending", "pending"):
        return None
    return max(0.0, (task.run_at - tables.now).total_seconds())


def _renew(tables: Tables, row: Row, worker_id: str, wanted: datetime) -> str:
    task = tables.task(row)
    if task is None or not task.is_held(row["lease_token"], worker_id):
        return "lost"
    task.last_heartbeat, task.lease_expires_at = tables.now, lease_end(wanted, tables.now, task)
    return "cancel" if tables.jobs[task.job_id].cancel_requested_at else "held"
