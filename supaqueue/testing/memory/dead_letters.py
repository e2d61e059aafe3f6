"""Dead letters: failed tasks, to be listed, run again, or forgotten."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from supaqueue.testing.memory.burial import bury
from supaqueue.testing.memory.checks import (
    LEASE,
    LONGEST_DELAY_SECONDS,
    ROWS_LIMIT,
    check_call,
    check_leases,
    check_range,
    check_rows,
    out_of_range,
    refuse_first,
)
from supaqueue.testing.memory.graphs import is_stopping, open_skipped_tasks
from supaqueue.testing.memory.moment import is_moment, read_moment, written
from supaqueue.testing.memory.refused import invalid
from supaqueue.testing.memory.settle import settle
from supaqueue.testing.memory.tables import LONE_LEASES, Row, Tables, TaskRow, named
from supaqueue.testing.memory.unique import retake_key

_FILTER = {
    "job_id": "a UUID",
    "queue": "1 to 200 characters",
    "task_type": "1 to 200 characters",
    "error_type": "1 to 200 characters",
    "parked": "a boolean",
    "failed_after": "a string",
    "failed_before": "a string",
}
_PAGE = re.compile(r"(\S+) ([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}) ([0-9]{1,5})", re.ASCII)

Age = tuple[datetime, str, int]


def list_dead_letters_v1(
    tables: Tables, filter: Any, page: Any, page_size: Any, contract_version: Any
) -> Row:
    """List failed tasks, the latest first, by page."""
    check_call(contract_version)
    _check(filter, page, page_size)
    after = _place(page)
    found = [task for task in tables.tasks() if task.status == "failed" and _passes(task, filter)]
    listed = sorted((task for task in found if after is None or _age(task) < after), key=_age, reverse=True)
    shown = listed[:page_size]
    last = shown[-1] if len(shown) == page_size else None
    return {
        "dead_letters": [_dead_letter(task) for task in shown],
        "next_page": f"{written(last.finished_at)} {last.job_id} {last.task_number}" if last else None,
    }


def replay_job_tasks_v1(tables: Tables, tasks: Any, contract_version: Any) -> list[Row]:
    """Let dead letters run again: `replayed`, `not_failed`, `key_held`, `stopping` or `unknown`."""
    check_call(contract_version)
    check_rows("tasks[%s]", tasks, LEASE | {"delay_seconds": "a number"}, list(LEASE))
    _check_number_of(tasks)
    refuse_first("tasks", map(_delay_problem, tasks))
    replayed = []
    for row in tasks:
        task = tables.task(row)
        if task and _may_run_again(tables, task, row):
            _replay(tables, task, row)
            replayed.append(task.job_id)
    open_skipped_tasks(tables, replayed)
    return [named(row) | {"answer": _replayed(tables, tables.task(row), row)} for row in tasks]


def drop_dead_letters_v1(tables: Tables, tasks: Any, contract_version: Any) -> list[Row]:
    """Forget dead letters: `dropped` (now or before), `not_failed`, `unfinished` or `unknown`."""
    check_call(contract_version)
    check_leases("tasks", tasks)
    _check_number_of(tasks)
    for row in tasks:
        task = tables.task(row)
        if task and _failed_under(task, row) and tables.jobs[task.job_id].finished_at:
            bury(tables, tables.jobs[task.job_id])
    return [named(row) | {"answer": _dropped(tables, row)} for row in tasks]


def _check_number_of(tasks: list[Row]) -> None:
    if len(tasks) > ROWS_LIMIT:
        raise invalid("tasks: expected at most 10000 in one call")


def _check(filter: Any, page: Any, page_size: Any) -> None:
    check_rows("filter", [filter], _FILTER, [])
    check_range("page_size", page_size, 1, 1000)
    at = _PAGE.fullmatch(page) if page is not None else None
    if page is not None and not (at and is_moment(at[1]) and int(at[3]) <= 32767):
        raise invalid("page: expected next_page of the last answer, or null")
    for field in ("failed_after", "failed_before"):
        if not is_moment(filter.get(field)):
            raise invalid(f"filter.{field}: expected a moment, like 2030-01-31T12:00:00Z")


def _passes(task: TaskRow, filter: Row) -> bool:
    after, before = filter.get("failed_after"), filter.get("failed_before")
    failed_at, _, _ = _age(task)
    return (
        (filter.get("job_id") or task.job_id).lower() == task.job_id
        and all(filter.get(name) in (None, getattr(task, name)) for name in ("queue", "task_type", "parked"))
        and filter.get("error_type") in (None, (task.error or {}).get("type"))
        and (after is None or failed_at >= read_moment(after))
        and (before is None or failed_at < read_moment(before))
    )


def _age(task: TaskRow) -> Age:
    return task.finished_at or datetime.min.replace(tzinfo=UTC), task.job_id, task.task_number


def _place(page: str | None) -> Age | None:
    at = _PAGE.fullmatch(page) if page else None
    return (read_moment(at[1]), at[2], int(at[3])) if at else None


def _dead_letter(task: TaskRow) -> Row:
    return {
        "job_id": task.job_id,
        "task_number": task.task_number,
        "lease_token": task.lease_token,
        "queue": task.queue,
        "task_type": task.task_type,
        "error": task.error,
        "parked": task.parked,
        "attempts": task.attempts,
        "lost_leases": task.lost_leases,
        "failed_at": written(task.finished_at),
    }


def _delay_problem(row: Row) -> str | None:
    late = out_of_range(row, "delay_seconds", LONGEST_DELAY_SECONDS)
    return "delay_seconds: expected 0 to 3153600000" if late else None


def _failed_under(task: TaskRow, row: Row) -> bool:
    return task.status == "failed" and task.lease_token == row["lease_token"]


def _replay(tables: Tables, task: TaskRow, row: Row) -> None:
    """As many attempts again, no deadline; what lost leases stays under suspicion."""
    keeps_turn = task.order_key is None or task.has_turn
    task.status, task.parked = "pending" if keeps_turn else "blocked", False
    task.run_at = tables.now + timedelta(seconds=row.get("delay_seconds") or 0)
    task.position = tables.position_at(task.run_at) if keeps_turn else None
    task.deadline_at = task.started_at = task.finished_at = None
    task.max_attempts += task.attempts - task.attempts_before_replay
    task.attempts_before_replay = task.attempts
    task.replayed_lease_token = task.lease_token
    task.lost_leases = min(task.lost_leases, LONE_LEASES)
    job = tables.jobs[task.job_id]
    job.cancel_requested_at = None
    job.has_begun = True  # what was unique until it began is not again
    settle(job, tables.now)


def _may_run_again(tables: Tables, task: TaskRow, row: Row) -> bool:
    job = tables.jobs[task.job_id]
    return _failed_under(task, row) and not is_stopping(job) and retake_key(tables, job)


def _replayed(tables: Tables, task: TaskRow | None, row: Row) -> str:
    if task is None:
        return "unknown"
    before = task.replayed_lease_token
    if before is not None and before >= row["lease_token"]:
        return "replayed"
    if not _failed_under(task, row):
        return "not_failed"
    return "stopping" if is_stopping(tables.jobs[task.job_id]) else "key_held"


def _dropped(tables: Tables, row: Row) -> str:
    job, task = tables.jobs.get(row["job_id"].lower()), tables.task(row)
    if job is not None and job.content is None:
        return "dropped"
    if task is None:
        return "unknown"
    return "unfinished" if _failed_under(task, row) else "not_failed"
