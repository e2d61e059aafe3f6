"""When there will be something to run."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from supaqueue.testing.memory.pauses import UNTIL_RESUMED, is_paused
from supaqueue.testing.memory.tables import Tables, TaskRow


def next_due(tables: Tables, queues: Collection[str], task_types: Collection[str]) -> datetime | None:
    """Return when the next waiting task of these queues and types may run, if that is later than now."""
    waiting = (
        _may_run_at(tables, task)
        for task in tables.tasks()
        if task.status == "pending" and task.queue in queues and task.task_type in task_types
    )
    return min((moment for moment in waiting if tables.now < moment < UNTIL_RESUMED), default=None)


def _may_run_at(tables: Tables, task: TaskRow) -> datetime:
    if is_paused(tables, task.queue):
        return max(task.run_at, tables.pauses[task.queue].until)
    return task.run_at
