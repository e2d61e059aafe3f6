"""Enqueues of several callers as one call, and its answer as each caller's own."""

from __future__ import annotations

from collections.abc import Sequence

from supaqueue.answer import EnqueueAnswer
from supaqueue.contract import EnqueueJobs
from supaqueue.errors import CallError

MOST_JOBS = 1_000
"""Of one call: what `enqueue_many` sends at most, too."""

MOST_BYTES = 1_048_576
"""Of payloads in one call of several callers: none of them must wait long for the others."""

Answers = tuple[EnqueueAnswer, ...]


def fitting(waiting: Sequence[EnqueueJobs]) -> int:
    """Return how many of the calls that wait, in order, go out as one: one at least."""
    jobs = payload_bytes = 0
    for count, call in enumerate(waiting):
        jobs += len(call.jobs)
        payload_bytes += sum(job.payload_bytes for job in call.jobs)
        if count and (jobs > MOST_JOBS or payload_bytes > MOST_BYTES):
            return count
    return len(waiting)


def merged(calls: Sequence[EnqueueJobs]) -> EnqueueJobs:
    """Return one call that stores what all of these do."""
    return EnqueueJobs(tuple(job for call in calls for job in call.jobs))


def divided(calls: Sequence[EnqueueJobs], answers: Answers) -> list[Answers]:
    """Return each call's own answers of those that the merged one got."""
    parts = []
    first = 0
    for call in calls:
        parts.append(answers[first : first + len(call.jobs)])
        first += len(call.jobs)
    return parts


def own_error(error: CallError, call: EnqueueJobs) -> CallError:
    """Return what a failure of the merged call is to one caller: an error of its own, about its own job."""
    concerned = call.concerns()
    return type(error)(
        str(error),
        call=error.call,
        committed=error.committed,
        retryable=error.retryable,
        sqlstate=error.sqlstate,
        http_status=error.http_status,
        job_id=concerned[0] if len(concerned) == 1 else None,
        cause=error.cause,
    )
