"""Reading jobs of several tasks: all tasks of one, and what came before one."""

from __future__ import annotations

import json
from typing import Any

from supaqueue.testing.memory.checks import LEASE, check_call, check_rows, read_job_ids
from supaqueue.testing.memory.read import task_row
from supaqueue.testing.memory.tables import Row, Tables, TaskRow

BYTES_LIMIT = 4_194_304


def list_job_tasks_v1(
    tables: Tables, job_id: Any, after_number: Any, page_size: Any, contract_version: Any
) -> Row | None:
    """List the tasks of a job in their order, by page; None if there is no such job."""
    check_call(contract_version)
    [found_id] = read_job_ids([job_id])
    asked = {"after_number": after_number, "page_size": page_size}
    check_rows("page", [asked], {"after_number": "-1 to 32767", "page_size": "1 to 1000"}, list(asked))
    job = tables.jobs.get(found_id)
    if job is None or job.content is None:
        return None
    listed = [task for task in job.tasks if task.task_number > after_number][:page_size]
    shown = _within(listed)
    more = len(listed) == page_size or len(shown) < len(listed)
    return {
        "tasks": [task_row(task, False, False) for task in shown],
        "next_after": shown[-1].task_number if shown and more else None,
    }


def read_results_v1(
    tables: Tables,
    worker_id: Any,
    job_id: Any,
    task_number: Any,
    lease_token: Any,
    after_number: Any,
    contract_version: Any,
) -> Row:
    """Read what the tasks directly before one came to, for the worker that holds it, by page."""
    check_call(contract_version)
    asked = {
        "job_id": job_id,
        "task_number": task_number,
        "lease_token": lease_token,
        "after_number": after_number,
    }
    check_rows("task", [asked], LEASE | {"after_number": "-1 to 32767"}, list(asked))
    task = tables.task(asked)
    if task is None or worker_id is None or not task.is_held(lease_token, worker_id):
        return {"answer": "lost", "results": {}, "next_after": None}
    siblings = tables.jobs[task.job_id].tasks
    before = [siblings[number] for number in task.runs_after if number > after_number]
    shown = _within(before)
    return {
        "answer": "read",
        "results": {str(one.name): one.result for one in shown if one.status == "completed"},
        "next_after": shown[-1].task_number if len(shown) < len(before) else None,
    }


def _within(tasks: list[TaskRow]) -> list[TaskRow]:
    """Return as many as one answer may carry with their results, one at least."""
    shown: list[TaskRow] = []
    size = 0
    for task in tasks:
        size += 0 if task.result is None else len(json.dumps(task.result, ensure_ascii=False).encode())
        if shown and size > BYTES_LIMIT:
            break
        shown.append(task)
    return shown
