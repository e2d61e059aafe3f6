"""Building calls and reading answers: what both colours of the client share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from supaqueue.answer import AbandonAnswer, CancelAnswer, EnqueueAnswer
from supaqueue.client.checks import Checks
from supaqueue.contract import CountJobs, EnqueueJobs, NewJob
from supaqueue.contract.json_value import check_text
from supaqueue.errors import JobConflict
from supaqueue.job import Job

# The clients have a method called `list`, so that inside of them the type has to go by another name.
Answers: TypeAlias = list[EnqueueAnswer]
CancelAnswers: TypeAlias = list[CancelAnswer]
AbandonAnswers: TypeAlias = list[AbandonAnswer]
Jobs: TypeAlias = list[Job | None]


def enqueue_one(job: NewJob, checks: Checks) -> EnqueueJobs:
    """Return the call that stores one job.

    Raises:
        InvalidInput: its payload is too large, or does not fit its handler.
    """
    checks.check(job)
    return EnqueueJobs((job,))


def accepted(answer: EnqueueAnswer) -> EnqueueAnswer:
    """Return the answer to a single enqueue.

    Raises:
        JobConflict: it was refused.
    """
    if answer.answer == "conflict":
        raise JobConflict(
            f"the id {answer.job_id} belongs to a job with another payload or other options, or was"
            " abandoned: use another id or idempotency key, or repeat the first call as it was",
            call=EnqueueJobs.function,
            job_id=answer.job_id,
        )
    return answer


def count(queue: str | Iterable[str] | None) -> CountJobs:
    """Return the call that counts one queue, several, or all.

    Raises:
        InvalidInput: a name cannot be one of a queue.
    """
    if queue is None:
        return CountJobs()
    names = (queue,) if isinstance(queue, str) else queue
    return CountJobs(tuple(check_text(name, field="queue") for name in names))
