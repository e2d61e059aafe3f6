"""An enqueue and the caller's own write: both stand, or neither does.

Write the record first, as one of which it is not known whether its job is enqueued (`enqueue_unknown`), then
enqueue, then say in the record that it is. Whoever is killed on the way leaves a record that `settle_unknown`
finds, and nothing that claims more than is true.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeAlias

from supaqueue.answer import AbandonAnswer, EnqueueAnswer
from supaqueue.client import calls
from supaqueue.contract import NewJob
from supaqueue.errors import CallError, InvalidInput

_log = logging.getLogger(__name__)

OnJobs: TypeAlias = Callable[[Sequence[str]], object]
"""What an application does about its records of jobs with these ids."""


class Abandons(Protocol):
    """A queue as far as records in doubt need it: `Queue`, or what has its interface."""

    def abandon(self, job_ids: Iterable[str]) -> list[AbandonAnswer]:
        """Take jobs back."""


class Enqueues(Abandons, Protocol):
    """A queue as far as it is needed here: `Queue`, or what has its interface."""

    def enqueue_many(self, jobs: Iterable[NewJob]) -> list[EnqueueAnswer]:
        """Store jobs."""


class Attempts:
    """The jobs that a block tried to enqueue, and which of them may be stored. No I/O."""

    def __init__(self) -> None:
        self._tried: dict[str, None] = {}
        self._may_be_stored: dict[str, None] = {}

    @property
    def to_take_back(self) -> list[str]:
        """The ids of jobs that may be stored."""
        return list(self._may_be_stored)

    @contextmanager
    def trying(self, jobs: Sequence[NewJob]) -> Iterator[None]:
        """Note what becomes of jobs that are enqueued in the block.

        Raises:
            InvalidInput: the id of one was chosen by the caller.
        """
        _check_minted(jobs)
        new = [job.job_id for job in jobs if job.job_id not in self._may_be_stored]
        self._tried.update(dict.fromkeys(new))
        self._may_be_stored.update(dict.fromkeys(new))
        try:
            yield
        except (CallError, InvalidInput) as error:
            # Of several some may be stored all the same, as may one of which an earlier try is unknown.
            if len(jobs) == 1 and getattr(error, "committed", "no") == "no":
                for job_id in new:
                    del self._may_be_stored[job_id]
            raise

    def gone(self, answers: Sequence[AbandonAnswer]) -> list[str]:
        """Return the ids of jobs that no worker has begun, nor can begin any more."""
        taken_back = {answer.job_id for answer in answers if answer.answer != "started"}
        kept = [job_id for job_id in self._may_be_stored if job_id not in taken_back]
        if kept:
            _log.warning("may run, so that their records stay until settle_unknown asks: %s", ", ".join(kept))
        return [job_id for job_id in self._tried if job_id not in kept]


class GuardedQueue:
    """Enqueues jobs that are taken back if the block fails; see `enqueue_or_undo`."""

    def __init__(self, queue: Enqueues, attempts: Attempts) -> None:
        self._queue = queue
        self._attempts = attempts

    def enqueue(self, job: NewJob) -> EnqueueAnswer:
        """Store one job.

        Raises:
            CallError: it was not stored, or that is unknown.
            InvalidInput: its id was chosen by the caller, or it cannot be sent.
        """
        return self.enqueue_many([job])[0]

    def enqueue_many(self, jobs: Iterable[NewJob]) -> list[EnqueueAnswer]:
        """Store many jobs, and answer each in order; unlike a queue's, a conflict is an error.

        Raises:
            CallError: some were not stored, or that is unknown.
            InvalidInput: the id of one was chosen by the caller, or it cannot be sent.
        """
        jobs = list(jobs)
        with self._attempts.trying(jobs):
            answers = self._queue.enqueue_many(jobs)
        return [calls.accepted(answer) for answer in answers]


@contextmanager
def enqueue_or_undo(queue: Enqueues, *, undo: OnJobs) -> Iterator[GuardedQueue]:
    """Take back the jobs enqueued in the block if it fails, then let the application remove their records.

        job = queue.new_job("run_workflow", {"workflow": "nightly"})
        runs.add(job.job_id, status="enqueue_unknown")
        with enqueue_or_undo(queue, undo=runs.remove) as guarded:
            guarded.enqueue(job)
            runs.confirm([job.job_id])

    The block's error goes on to the caller in any case. A tombstone comes before a record goes, so that an
    enqueue under way comes too late. A job that has started, or of which Supabase tells nothing, keeps its
    record. What ends the process, or cancels the block, leaves all to `settle_unknown`.

    Args:
        queue: a `Queue`, or a cutover's router.
        undo: removes the records of these jobs; those that have gone already are none of its concern.
    """
    attempts = Attempts()
    try:
        yield GuardedQueue(queue, attempts)
    except Exception:
        gone = attempts.gone(_taken_back(queue, attempts.to_take_back))
        if gone:
            undo(gone)
        raise


def settle_unknown(
    queue: Abandons, job_ids: Iterable[str], *, undo: OnJobs, keep: OnJobs
) -> list[AbandonAnswer]:
    """Find out about records that say `enqueue_unknown`, and answer each in order; may be repeated.

    A job that waits is cancelled: whoever asked for it was not told that it is enqueued.

    Args:
        queue: a `Queue`, or a cutover's router.
        job_ids: of records old enough for their request to be over.
        undo: removes the records of these jobs; nothing runs them any more.
        keep: says in the records of these jobs that they are enqueued; they have started.

    Raises:
        CallError: nothing was found out; call it again later.
    """
    answers = queue.abandon(job_ids)
    gone, started = sorted_out(answers)
    if gone:
        undo(gone)
    if started:
        keep(started)
    return answers


def sorted_out(answers: Iterable[AbandonAnswer]) -> tuple[list[str], list[str]]:
    """Return the ids of jobs that nothing runs any more, and of those that have started."""
    gone: list[str] = []
    started: list[str] = []
    for answer in answers:
        (started if answer.answer == "started" else gone).append(answer.job_id)
    return gone, started


def _taken_back(queue: Enqueues, job_ids: Sequence[str]) -> Sequence[AbandonAnswer]:
    if not job_ids:
        return ()
    try:
        return queue.abandon(job_ids)
    except CallError:
        return ()  # what is known of none of them


def _check_minted(jobs: Sequence[NewJob]) -> None:
    for index, job in enumerate(jobs):
        if not job.is_minted:
            raise InvalidInput(
                "was chosen by the caller: the job may be another request's, which must not be taken back;"
                " make the job with queue.new_job, and keep keys unique in the record",
                field=f"jobs[{index}].job_id",
            )
