"""RQ jobs without a stamp, as the jobs that they stand for.

An RQ id may come again, with another job: who enqueues may choose it. So such a message is told by its id and
by when it was created, which RQ keeps through retries.
"""

from __future__ import annotations

import json
from datetime import datetime

from rq.job import Job, JobStatus

from supaqueue.backoff import Backoff
from supaqueue.contract import NewJob
from supaqueue.cutover.legacy.rq_calls import RqCalls, arguments_of, path_of
from supaqueue.cutover.legacy.rq_messages import ATTEMPTS
from supaqueue.cutover.legacy.unstamped import Unstamped, WhyLeft, standing_for, unstamped_job_id

SCHEDULER_KEYS = frozenset(("interval", "cron_string", "repeat"))
"""What rq-scheduler writes into the meta of jobs that it enqueues again and again."""
UNREADABLE_META = "unserialized"


def message_id(job: Job) -> str:
    """Return what tells a message without a stamp from every other."""
    return json.dumps([job.id, job.created_at and job.created_at.isoformat()])


def rq_id(native_id: str) -> str:
    """Return the RQ id in a native id: that of a stamped message is nothing else."""
    return str(json.loads(native_id)[0]) if native_id.startswith("[") else native_id


def is_message(native_id: str, job: Job) -> bool:
    """Say whether this is the job that was meant, and none that came later under its id."""
    return native_id in (job.id, message_id(job))


def job_id_of(job: Job) -> str:
    """Return the id of the job that a message without a stamp stands for."""
    return unstamped_job_id("rq", message_id(job))


def unstamped_message(calls: RqCalls, job: Job, due_at: datetime | None, *, is_awaited: bool) -> Unstamped:
    """Return what a message without a stamp stands for.

    Args:
        due_at: when it may run, if it is scheduled.
        is_awaited: whether other RQ jobs depend on it.
    """
    task_type, payload = calls.read(job)
    native_id = message_id(job)
    why_left: WhyLeft | None = "linked" if is_awaited else _why_left(job)
    if why_left is None and not calls.is_call_of(job, task_type, payload):
        why_left = "unmapped"
    if why_left is not None:
        return Unstamped(native_id, task_type, why_left=why_left)
    return standing_for(native_id, task_type, payload, lambda: _job(calls, job, due_at))


def _why_left(job: Job) -> WhyLeft | None:
    if UNREADABLE_META in job.meta or arguments_of(job) is None:
        return "unreadable"
    if job.started_at is not None or job.number_of_retries:
        return "begun"
    if job._dependency_ids or job.get_status(refresh=False) is JobStatus.DEFERRED:
        return "linked"
    if job.repeats_left or SCHEDULER_KEYS & job.meta.keys():
        return "recurring"
    return "options" if _has_own_options(job) else None


def _has_own_options(job: Job) -> bool:
    """Say whether something of it would not come along: an expiry, callbacks, a group, several delays."""
    callbacks = (job._success_callback_name, job._failure_callback_name, job._stopped_callback_name)
    others = (job.ttl, job.group_id, getattr(job, "webhooks", None), getattr(job, "rate_limit_key", None))
    return any(callbacks) or any(others) or len(set(job.retry_intervals or ())) > 1


def _job(calls: RqCalls, job: Job, due_at: datetime | None) -> NewJob:
    task_type, payload = calls.read(job)
    is_function = path_of(job) != calls.handlers
    retries = job.retries_left or 0
    timeout = job.timeout if is_function else None  # a registry's handlers have their own
    return NewJob(
        task_type,
        payload,
        queue=str(job.origin),
        job_id=job_id_of(job),
        run_at=due_at,
        max_attempts=retries + 1 if is_function and ATTEMPTS not in job.meta else None,
        backoff=Backoff.fixed(float((job.retry_intervals or [0])[0])) if is_function and retries else None,
        timeout=float(timeout) if timeout and timeout > 0 else None,
    )
