"""An enqueue and the caller's own write, in an event loop: both stand, or neither does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol, TypeAlias

from supaqueue.answer import AbandonAnswer, EnqueueAnswer
from supaqueue.client import calls
from supaqueue.client.undoing import Attempts, sorted_out
from supaqueue.contract import NewJob
from supaqueue.errors import CallError

AsyncOnJobs: TypeAlias = Callable[[Sequence[str]], Awaitable[object]]
"""What an application does about its records of jobs with these ids."""


class AsyncAbandons(Protocol):
    """A queue as far as records in doubt need it: `AsyncQueue`, or what has its interface."""

    async def abandon(self, job_ids: Iterable[str]) -> list[AbandonAnswer]:
        """Take jobs back."""


class AsyncEnqueues(AsyncAbandons, Protocol):
    """A queue as far as it is needed here: `AsyncQueue`, or what has its interface."""

    async def enqueue_many(self, jobs: Iterable[NewJob]) -> list[EnqueueAnswer]:
        """Store jobs."""


class AsyncGuardedQueue:
    """Enqueues jobs that are taken back if the block fails; see `async_enqueue_or_undo`."""

    def __init__(self, queue: AsyncEnqueues, attempts: Attempts) -> None:
        self._queue = queue
        self._attempts = attempts

    async def enqueue(self, job: NewJob) -> EnqueueAnswer:
        """Store one job.

        Raises:
            CallError: it was not stored, or that is unknown.
            InvalidInput: its id was chosen by the caller, or it cannot be sent.
        """
        answers = await self.enqueue_many([job])
        return answers[0]

    async def enqueue_many(self, jobs: Iterable[NewJob]) -> list[EnqueueAnswer]:
        """Store many jobs, and answer each in order; unlike a queue's, a conflict is an error.

        Raises:
            CallError: some were not stored, or that is unknown.
            InvalidInput: the id of one was chosen by the caller, or it cannot be sent.
        """
        jobs = list(jobs)
        with self._attempts.trying(jobs):
            answers = await self._queue.enqueue_many(jobs)
        return [calls.accepted(answer) for answer in answers]


@asynccontextmanager
async def async_enqueue_or_undo(
    queue: AsyncEnqueues, *, undo: AsyncOnJobs
) -> AsyncIterator[AsyncGuardedQueue]:
    """Take back the jobs enqueued in the block if it fails: `enqueue_or_undo` for an event loop."""
    attempts = Attempts()
    try:
        yield AsyncGuardedQueue(queue, attempts)
    except Exception:
        gone = attempts.gone(await _taken_back(queue, attempts.to_take_back))
        if gone:
            await undo(gone)
        raise


async def async_settle_unknown(
    queue: AsyncAbandons, job_ids: Iterable[str], *, undo: AsyncOnJobs, keep: AsyncOnJobs
) -> list[AbandonAnswer]:
    """Find out about records that say `enqueue_unknown`: `settle_unknown` for an event loop."""
    answers = await queue.abandon(job_ids)
    gone, started = sorted_out(answers)
    if gone:
        await undo(gone)
    if started:
        await keep(started)
    return answers


async def _taken_back(queue: AsyncEnqueues, job_ids: Sequence[str]) -> Sequence[AbandonAnswer]:
    if not job_ids:
        return ()
    try:
        return await queue.abandon(job_ids)
    except CallError:
        return ()  # what is known of none of them
