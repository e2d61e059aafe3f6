"""Cancelling, and taking back enqueues whose answer was lost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from supaqueue.testing.memory.burial import bury
from supaqueue.testing.memory.checks import check_call, read_job_ids
from supaqueue.testing.memory.settle import settle
from supaqueue.testing.memory.tables import WAITING, JobRow, Row, Tables


def cancel_jobs_v1(tables: Tables, job_ids: Any, contract_version: Any) -> list[Row]:
    """Cancel jobs: `cancelled`, `requested` (still running), `finished`, `deduplicated` or `unknown`."""
    check_call(contract_version)
    ids = read_job_ids(job_ids)
    _cancel(tables, (tables.jobs[job_id] for job_id in ids if job_id in tables.jobs))
    return [{"job_id": job_id, "answer": _cancelled(tables.jobs.get(job_id))} for job_id in ids]


def abandon_jobs_v1(tables: Tables, job_ids: Any, contract_version: Any) -> list[Row]:
    """Take back jobs: `abandoned` (it was not here, a tombstone is), `cancelled`, or `started`."""
    check_call(contract_version)
    ids = read_job_ids(job_ids)
    jobs = [_found_or_buried(tables, job_id) for job_id in ids]
    for job in jobs:
        if job.deduped_as == "deduplicated":
            job.deduped_into = job.deduped_as = None
            bury(tables, job)
    unstarted = [job for job in jobs if not _ever_started(job)]
    waiting = [job for job in unstarted if job.status in ("pending", "cancelled")]
    for job in waiting:
        job.abandoned_at = job.abandoned_at or tables.now
    _cancel(tables, waiting)
    for expired in unstarted:
        if expired.status == "failed":
            bury(tables, expired)
    return [{"job_id": job.job_id, "answer": _abandoned(job)} for job in jobs]


def _cancel(tables: Tables, jobs: Iterable[JobRow]) -> None:
    """End what waits, and ask for the end of what runs."""
    for job in jobs:
        if job.deduped_into is not None or job.status not in ("pending", "processing"):
            continue
        job.cancel_requested_at = job.cancel_requested_at or tables.now
        for task in job.tasks:
            if task.status in WAITING:
                had_turn = task.has_turn
                task.status, task.position, task.finished_at = "cancelled", None, tables.now
                if had_turn:
                    tables.end_turn(task)
        settle(job, tables.now)


def _cancelled(job: JobRow | None) -> str:
    if job is None:
        return "unknown"
    if job.deduped_into is not None:
        return "deduplicated"
    if job.status == "cancelled":
        return "cancelled"
    return "requested" if job.status in ("pending", "processing") else "finished"


def _found_or_buried(tables: Tables, job_id: str) -> JobRow:
    if job_id not in tables.jobs:
        tombstone = JobRow(job_id, tables.next_number(), tables.now, abandoned_at=tables.now)
        settle(tombstone, tables.now)
        tables.jobs[job_id] = tombstone
    return tables.jobs[job_id]


def _ever_started(job: JobRow) -> bool:
    return job.deduped_into is not None or any(
        attempt.outcome != "not_started" for task in job.tasks for attempt in task.history.values()
    )


def _abandoned(job: JobRow) -> str:
    if job.abandoned_at is None:
        return "started"
    return "abandoned" if job.content is None else "cancelled"
