"""BullMQ jobs without a stamp, as the jobs that they stand for.

BullMQ counts its ids queue by queue, and one that was chosen may come again. So such a message is told by its
queue, its id and when it was created, which BullMQ keeps through retries.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple

from bullmq import Job

from supaqueue.backoff import LONGEST_SECONDS, Backoff
from supaqueue.contract import NewJob
from supaqueue.cutover.legacy.unstamped import Unstamped, WhyLeft, standing_for, unstamped_job_id

BACKOFFS = ("fixed", "exponential")


class MessageId(NamedTuple):
    """What tells a message without a stamp from every other. `created_at`: milliseconds since 1970."""

    queue: str
    id: str
    created_at: int

    @classmethod
    def of(cls, job: Job, queue: str) -> MessageId:
        """Return a job's."""
        return cls(queue, str(job.id), int(job.timestamp))

    @classmethod
    def read(cls, native_id: str) -> MessageId | None:
        """Return that of a native id; None if it is a stamped message's, which is its BullMQ id."""
        return cls(*json.loads(native_id)) if native_id.startswith("[") else None

    def __str__(self) -> str:
        return json.dumps(list(self))


def job_id_of(job: Job, queue: str) -> str:
    """Return the id of the job that a message without a stamp stands for."""
    return unstamped_job_id("bullmq", str(MessageId.of(job, queue)))


def unstamped_message(job: Job, queue: str, due_at: datetime | None) -> Unstamped:
    """Return what a message without a stamp stands for; `due_at`: when it may run, if it is delayed."""
    native_id = str(MessageId.of(job, queue))
    if (why_left := _why_left(job)) is not None:
        return Unstamped(native_id, str(job.name), why_left=why_left)
    return standing_for(native_id, str(job.name), job.data, lambda: _job(job, queue, due_at))


def _why_left(job: Job) -> WhyLeft | None:
    options = job.opts
    if job.attemptsMade or job.attemptsStarted or job.stalledCounter:
        return "begun"
    if job.repeatJobKey or options.get("repeat"):
        return "recurring"
    if options.get("parent"):
        return "linked"
    is_known = not options.get("backoff") or options["backoff"].get("type") in BACKOFFS
    return None if is_known and not options.get("deduplication") else "options"


def _job(job: Job, queue: str, due_at: datetime | None) -> NewJob:
    attempts = int(job.opts.get("attempts") or 0)
    return NewJob(
        str(job.name),
        job.data,
        queue=queue,
        job_id=job_id_of(job, queue),
        run_at=due_at,
        max_attempts=attempts or None,  # without any, a registry's handlers keep what is declared with them
        backoff=_backoff(job.opts.get("backoff")) if attempts > 1 else None,
    )


def _backoff(given: dict[str, Any] | None) -> Backoff | None:
    if not given:
        return None
    seconds = float(given.get("delay") or 0) / 1000
    if given["type"] == "fixed":
        return Backoff.fixed(seconds)
    return Backoff(seconds, 2.0, LONGEST_SECONDS, jitter=False)
