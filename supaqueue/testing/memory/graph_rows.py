"""The rows of a job that is made of several tasks."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from supaqueue.backoff import Backoff
from supaqueue.job import TELLING_TASKS
from supaqueue.testing.memory.tables import JobRow, Row, Tables, TaskRow
from supaqueue.testing.memory.task_types import policy_of

FAILED_TOLD = 10


def graph_tasks(tables: Tables, first: TaskRow, row: Row) -> list[TaskRow]:
    """Return the tasks that a job asks for; `first` has what is the job's in each."""
    numbers = {asked["name"]: number for number, asked in enumerate(row["tasks"])}
    tasks = [_task(tables, first, number, asked) for number, asked in enumerate(row["tasks"])]
    for task, asked in zip(tasks, row["tasks"], strict=True):
        task.runs_after = sorted(numbers[name] for name in asked.get("after") or ())
        task.waits_for = len(task.runs_after)
        for number in task.runs_after:
            tasks[number].runs_before.append(task.task_number)
        if task.runs_after:
            task.status, task.position = "blocked", None
        else:
            task.position = tables.position_at(task.run_at)
    return tasks


def telling_tasks(job: JobRow) -> list[TaskRow]:
    """Return those that tell how a job went: the last ones, and the first that failed; of one task, all."""
    if job.on_failure is None:
        return job.tasks
    last = [task for task in job.tasks if not task.runs_before][:TELLING_TASKS]
    failed = [task for task in job.tasks if task.status == "failed"][:FAILED_TOLD]
    return [job.tasks[number] for number in sorted({task.task_number for task in (*last, *failed)})]


def graph_row(job: JobRow) -> Row:
    """Return what readers see of a job of several tasks beside what they see of any."""
    if job.on_failure is None:
        return {}
    statuses = [task.status for task in job.tasks]
    ended = {status: statuses.count(status) for status in ("completed", "failed", "cancelled")}
    return {
        "on_failure": job.on_failure,
        "task_count": len(statuses),
        "unfinished_tasks": len(statuses) - sum(ended.values()),
        "failed_tasks": ended["failed"],
        "cancelled_tasks": ended["cancelled"],
    }


def backoff_of(policy: Row) -> Backoff:
    """Return how long each retry waits."""
    return Backoff(
        delay=policy["retry_delay_seconds"],
        factor=policy["retry_factor"],
        max_delay=policy["retry_max_delay_seconds"],
        jitter=policy["retry_jitter"],
    )


def _task(tables: Tables, first: TaskRow, number: int, asked: Row) -> TaskRow:
    policy = policy_of(tables, asked)
    timeout = policy.get("timeout_seconds")
    return replace(
        first,
        task_number=number,
        task_type=asked["task_type"],
        name=asked["name"],
        payload=asked.get("payload"),
        payload_bytes=len(json.dumps(asked.get("payload"), ensure_ascii=False).encode()),
        max_attempts=int(policy["max_attempts"]),
        backoff=backoff_of(policy),
        timeout=None if timeout is None else timedelta(seconds=timeout),
        history={},
        runs_after=[],
        runs_before=[],
    )
