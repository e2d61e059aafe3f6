"""Tombstones: what is left of a job that is forgotten."""

from __future__ import annotations

from supaqueue.testing.memory.settle import settle
from supaqueue.testing.memory.tables import JobRow, Tables


def bury(tables: Tables, job: JobRow) -> None:
    """Leave a tombstone: nothing of what was asked for, and of how it went."""
    blocking = [task for task in job.tasks if task.has_turn]
    for task in blocking:
        task.blocks_key = False
        tables.end_turn(task)
    job.tasks, job.content, job.tags, job.abandoned_at = [], None, [], tables.now
    settle(job, tables.now)
