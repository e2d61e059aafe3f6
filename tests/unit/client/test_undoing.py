"""Which of the jobs that a block tried may be stored, and which of their records may go."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from supaqueue.answer import AbandonAnswer
from supaqueue.client import async_undoing, undoing
from supaqueue.client.undoing import Attempts
from supaqueue.contract import NewJob
from supaqueue.errors import CallRefused, Committed, InvalidInput, QueueUnavailable


def failing(attempts: Attempts, *jobs: NewJob, committed: Committed) -> None:
    with pytest.raises(QueueUnavailable), attempts.trying(jobs):
        raise QueueUnavailable("gone", call="enqueue_jobs_v1", committed=committed)


def test_one_that_was_refused_is_not_stored() -> None:
    attempts, job = Attempts(), NewJob("work")
    failing(attempts, job, committed="no")
    assert attempts.to_take_back == []
    assert attempts.gone([]) == [job.job_id]


def test_of_several_the_first_may_be_stored_when_the_last_is_refused() -> None:
    attempts, jobs = Attempts(), [NewJob("work"), NewJob("work")]
    failing(attempts, *jobs, committed="no")
    assert attempts.to_take_back == [job.job_id for job in jobs]
    assert attempts.gone([]) == []


@pytest.mark.parametrize("error", [InvalidInput("no"), CallRefused("no", call="enqueue_jobs_v1")])
def test_what_was_stored_before_stays_to_be_taken_back(error: Exception) -> None:
    attempts, job = Attempts(), NewJob("work")
    with attempts.trying([job]):
        pass
    with pytest.raises(type(error)), attempts.trying([job]):
        raise error
    assert attempts.to_take_back == [job.job_id]


def test_an_error_of_no_known_kind_proves_nothing() -> None:
    attempts, job = Attempts(), NewJob("work")
    with pytest.raises(ZeroDivisionError), attempts.trying([job]):
        raise ZeroDivisionError
    assert attempts.to_take_back == [job.job_id]


def test_each_record_goes_or_stays_by_its_own_job() -> None:
    attempts, jobs = Attempts(), [NewJob("work") for _ in range(4)]
    ids = [job.job_id for job in jobs]
    with attempts.trying(jobs):
        pass
    answers = [AbandonAnswer(ids[0], "started"), AbandonAnswer(ids[1], "cancelled")]
    assert attempts.gone([*answers, AbandonAnswer(ids[2], "abandoned")]) == ids[1:3]


def test_both_colours_take_the_same() -> None:
    pairs: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
        (undoing.enqueue_or_undo, async_undoing.async_enqueue_or_undo),
        (undoing.settle_unknown, async_undoing.async_settle_unknown),
        (undoing.GuardedQueue.enqueue, async_undoing.AsyncGuardedQueue.enqueue),
        (undoing.GuardedQueue.enqueue_many, async_undoing.AsyncGuardedQueue.enqueue_many),
    ]
    for sync, other in pairs:
        assert list(inspect.signature(sync).parameters) == list(inspect.signature(other).parameters)
