"""The one place where a job's status changes: it follows from its tasks."""

from __future__ import annotations

from datetime import datetime

from supaqueue.job import ENDED, JobStatus
from supaqueue.testing.memory.tables import JobRow


def settle(job: JobRow, now: datetime) -> None:
    """Set a job's status to what its tasks make it."""
    job.status = _status(job)
    job.finished_at = (job.finished_at or now) if job.status in ENDED else None


def _status(job: JobRow) -> JobStatus:
    statuses = {task.status for task in job.tasks}
    ended = statuses & {"completed", "failed", "cancelled"}
    if statuses - ended:
        return "processing" if ended or statuses & {"claimed", "processing"} else "pending"
    if "failed" in statuses:
        return "failed"
    return "cancelled" if "cancelled" in statuses or not statuses else "completed"
