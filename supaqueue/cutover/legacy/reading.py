"""A job of the legacy queue as readers see it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from supaqueue.contract import NewJob
from supaqueue.cutover.legacy.entry import Entry
from supaqueue.job import Job, JobStatus, Task, TaskStatus

DEFAULT_MAX_ATTEMPTS = 5


def job_of(entry: Entry, *, with_payload: bool = False) -> Job | None:
    """Return the job that legacy owns; None for a copy, or for an id that was abandoned before it came.

    Legacy has one task a job and keeps no history; `attempts` counts how often its handler was begun.
    """
    if entry.owner != "legacy" or entry.job is None:
        return None
    job, ending = entry.job, entry.ending
    return Job(
        job_id=entry.job_id,
        queue=job.queue,
        task_type=job.task_type,
        status=_status(entry),
        owner="legacy",
        tags=job.tags,
        created_at=entry.accepted_at,
        finished_at=ending.ended_at if ending else None,
        cancel_requested=entry.cancel_requested,
        tasks=(_task(entry, job, with_payload=with_payload),),
    )


def _status(entry: Entry) -> JobStatus:
    if entry.ending is not None:
        return entry.ending.status
    if entry.state == "closed":
        return "cancelled"
    return "processing" if _runs(entry) else "pending"


def _runs(entry: Entry) -> bool:
    return entry.runner is not None and entry.runs_until is not None and entry.runs_until > datetime.now(UTC)


def _task(entry: Entry, job: NewJob, *, with_payload: bool) -> Task:
    ending = entry.ending
    status: TaskStatus = _status(entry)
    return Task(
        task_number=1,
        task_type=job.task_type,
        status=status,
        result=ending.result if ending else None,
        error=ending.error if ending else None,
        attempts=ending.attempts if ending else entry.starts,
        max_attempts=job.max_attempts or DEFAULT_MAX_ATTEMPTS,
        lost_leases=0,
        run_at=entry.due_at or job.run_at or _after(entry.accepted_at, job.delay_seconds),
        worker_id=entry.runner,
        last_heartbeat=None,
        started_at=None,
        finished_at=ending.ended_at if ending else None,
        timeout_seconds=job.timeout_seconds,
        deadline_at=job.deadline_at,
        payload=job.payload if with_payload else None,
    )


def _after(moment: datetime, seconds: float | None) -> datetime:
    return moment + timedelta(seconds=seconds or 0.0)
