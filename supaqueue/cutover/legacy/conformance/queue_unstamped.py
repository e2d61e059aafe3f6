"""Conformance of an old queue: messages that something sent around the router."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from supaqueue.contract import NewJob
from supaqueue.cutover.legacy.conformance.subjects import LONG, QueueSubject, a_job, some_jobs
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.legacy.unstamped import Unstamped
from supaqueue.cutover.stamp import Stamp
from supaqueue.errors import ConfigurationError

Put = Callable[[NewJob], None]


def unstamped(queue: LegacyQueue) -> list[Unstamped]:
    """Return what waits without a stamp; skips the test where the broker declares that it cannot say."""
    if "list_waiting" in queue.broker.cannot:
        with pytest.raises(ConfigurationError):
            list(queue.broker.unstamped())
        pytest.skip(f"{queue.broker.name}: {queue.broker.cannot['list_waiting']}")
    return list(queue.broker.unstamped())


class QueueUnstamped(QueueSubject):
    """See the module."""

    def test_a_foreign_message_stands_for_one_job(self, queue: LegacyQueue, put_unstamped: Put) -> None:
        job = a_job(7)
        put_unstamped(job)
        queue.enqueue([a_job(8)])
        [first] = unstamped(queue)
        [second] = unstamped(queue)
        assert first.job is not None
        assert (first.task_type, first.why_left) == (job.task_type, None)
        assert (first.job.task_type, first.job.payload) == (job.task_type, job.payload)
        assert (first.job.queue, first.job.job_id == job.job_id) == (job.queue, False)
        assert first == second, "the same wherever it is seen"

    def test_two_alike_are_two_jobs(self, queue: LegacyQueue, put_unstamped: Put) -> None:
        put_unstamped(a_job(1))
        put_unstamped(a_job(1))
        assert len({one.job.job_id for one in unstamped(queue) if one.job is not None}) == 2

    def test_a_scheduled_one_is_due_as_it_was(self, queue: LegacyQueue, put_unstamped: Put) -> None:
        if "run_at" not in queue.broker.expresses:
            pytest.skip(f"{queue.broker.name} has no run_at")
        due_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
        put_unstamped(NewJob("conformance", {"n": 1}, run_at=due_at))
        [one] = unstamped(queue)
        assert one.job is not None
        assert one.job.run_at is not None
        assert abs(one.job.run_at - due_at) < timedelta(seconds=1)

    def test_what_was_adopted_is_taken_over_and_removed(self, queue: LegacyQueue, put_unstamped: Put) -> None:
        for job in some_jobs(3):
            put_unstamped(job)
        found = unstamped(queue)
        assert queue.adopt(found) == ["adopted"] * 3
        assert queue.adopt(unstamped(queue)) == ["exists"] * 3
        stamps = [Stamp(one.job.job_id) for one in found if one.job is not None]
        assert queue.index.start_unstamped(stamps[0].job_id, "a", LONG) == "started"
        for _ in range(2):
            assert queue.take_over(stamps) == [False, True, True]
        assert [one.native_id for one in unstamped(queue)] == [found[0].native_id]

    def test_removing_one_leaves_the_others(self, queue: LegacyQueue, put_unstamped: Put) -> None:
        for job in some_jobs(2):
            put_unstamped(job)
        queue.enqueue([a_job(3)])
        one, other = unstamped(queue)
        assert queue.broker.withdraw([one.native_id]) == [True]
        assert queue.broker.withdraw([one.native_id]) == [False]
        assert [left.native_id for left in unstamped(queue)] == [other.native_id]
        assert len([left for left in queue.broker.waiting() if left.stamp is not None]) == 1
