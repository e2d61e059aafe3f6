"""Building calls and reading answers: what both colours of the client share."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TypeAlias

from supaqueue.answer import AbandonAnswer, CancelAnswer, EnqueueAnswer, QueuePause
from supaqueue.client.checks import Checks
from supaqueue.contract import CountJobs, EnqueueJobs, NewJob, PauseQueues, ResumeQueues
from supaqueue.contract.json_value import check_text
from supaqueue.contract.moment import check_time
from supaqueue.contract.new_job import LONGEST_DELAY, SHORTEST_SECONDS, checked_seconds
from supaqueue.errors import InvalidInput, JobConflict
from supaqueue.job import Job

# The clients have a method called `list`, so that inside of them the type has to go by another name.
Answers: TypeAlias = list[EnqueueAnswer]
CancelAnswers: TypeAlias = list[CancelAnswer]
AbandonAnswers: TypeAlias = list[AbandonAnswer]
Jobs: TypeAlias = list[Job | None]
Ended: TypeAlias = list[Job]
Pauses: TypeAlias = list[QueuePause]


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
    return CountJobs(_names(queue))


def pause(
    queues: str | Iterable[str],
    duration: float | timedelta | None,
    until: datetime | None,
    reason: str | None,
    by: str | None,
) -> PauseQueues:
    """Return the call that pauses queues.

    Raises:
        InvalidInput: a name, a time or a text is none that the database takes.
    """
    if duration is not None and until is not None:
        raise InvalidInput("give either duration or until, not both", field="until")
    return PauseQueues(
        _names(queues),
        checked_seconds(duration, "duration", LONGEST_DELAY, SHORTEST_SECONDS),
        check_time(until, field="until"),
        None if reason is None else check_text(reason, field="reason", max_length=1000),
        None if by is None else check_text(by, field="by"),
    )


def resume(queues: str | Iterable[str], by: str | None) -> ResumeQueues:
    """Return the call that resumes queues.

    Raises:
        InvalidInput: a name cannot be one of a queue.
    """
    return ResumeQueues(_names(queues), None if by is None else check_text(by, field="by"))


def _names(queue: str | Iterable[str]) -> tuple[str, ...]:
    names = (queue,) if isinstance(queue, str) else queue
    return tuple(check_text(name, field="queue") for name in names)
