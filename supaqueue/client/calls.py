"""Building calls and reading answers: what both colours of the client share."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from supaqueue.answer import AbandonAnswer, CancelAnswer, EnqueueAnswer, QueuePause, WaitingLimit
from supaqueue.client.checks import Checks
from supaqueue.contract import CountJobs, EnqueueJobs, LimitWaiting, NewJob, PauseQueues, ResumeQueues
from supaqueue.contract.attempts import SHORTEST_SECONDS, checked_seconds
from supaqueue.contract.json_value import check_text
from supaqueue.contract.limit_waiting import MOST_WAITING
from supaqueue.contract.moment import check_time
from supaqueue.contract.new_job import LONGEST_DELAY
from supaqueue.errors import InvalidInput, JobConflict
from supaqueue.job import Job

# The clients have a method called `list`, so that inside of them the type has to go by another name.
Answers: TypeAlias = list[EnqueueAnswer]
CancelAnswers: TypeAlias = list[CancelAnswer]
AbandonAnswers: TypeAlias = list[AbandonAnswer]
Jobs: TypeAlias = list[Job | None]
Ended: TypeAlias = list[Job]
Pauses: TypeAlias = list[QueuePause]
WaitingLimits: TypeAlias = list[WaitingLimit]

LONGEST_WAIT_SECONDS = 5.0
"""What a producer waits at most after one call, whatever it is told."""


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


def seconds_to_wait(answers: Iterable[EnqueueAnswer]) -> float:
    """Return for how long a producer is to wait, as the database asks where a queue is too long."""
    return min(LONGEST_WAIT_SECONDS, max((answer.wait_seconds for answer in answers), default=0.0))


def limit_waiting(
    queues: str | Iterable[str], limit: int | None, on_full: Literal["refuse", "slow"] | None, by: str | None
) -> LimitWaiting:
    """Return the call that limits how many jobs may wait.

    Raises:
        InvalidInput: a name, a number or a text is none that the database takes.
    """
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int)):
        raise InvalidInput(f"must be a whole number or None, not {type(limit).__name__}", field="limit")
    if limit is not None and not 1 <= limit <= MOST_WAITING:
        raise InvalidInput(f"must be from 1 to {MOST_WAITING:,}", field="limit")
    if on_full not in ((None,) if limit is None else ("refuse", "slow")):
        raise InvalidInput("must be refuse or slow, and None without a limit", field="on_full")
    return LimitWaiting(
        _names(queues), limit, on_full, changed_by=None if by is None else check_text(by, field="by")
    )


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
