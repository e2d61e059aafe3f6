"""Conformance of an old queue: whoever dies between two writes, a repeat repairs it; nothing runs twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.guard import Guard
from supaqueue.cutover.legacy.conformance.queue_calls import stamps
from supaqueue.cutover.legacy.conformance.subjects import DONE, QueueSubject, a_job, entry_of
from supaqueue.cutover.legacy.entry import Message
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.stamp import Stamp


class Died(BaseException):
    """Ends a call where a process would have ended."""


class DyingBroker:
    """A broker whose caller dies right before or right after it has published."""

    def __init__(self, broker: Any, *, before: bool) -> None:
        self._broker = broker
        self._before = before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    def publish(self, messages: Sequence[Message]) -> list[str]:
        """Die."""
        if not self._before:
            self._broker.publish(messages)
        raise Died


class BrokenBroker(DyingBroker):
    """A broker that gives no answer."""

    def publish(self, messages: Sequence[Message]) -> list[str]:
        """Fail."""
        raise LegacyUnavailable("down", call="publish", committed="unknown")


def dying(queue: LegacyQueue, *, before: bool) -> LegacyQueue:
    """Return a queue whose caller dies at its publish."""
    broker: Any = DyingBroker(queue.broker, before=before)
    return LegacyQueue(broker, queue.index)


class QueueCrashes(QueueSubject):
    """See the module."""

    @pytest.mark.parametrize("before", [True, False], ids=["before the publish", "after the publish"])
    def test_enqueue_is_repaired_by_a_repeat(self, queue: LegacyQueue, before: bool) -> None:
        job = a_job()
        with pytest.raises(Died):
            dying(queue, before=before).enqueue([job])
        assert entry_of(queue.index, job.job_id).state == "intent"
        assert [one.answer for one in queue.enqueue([job])] == ["exists"]
        assert entry_of(queue.index, job.job_id).state == "published"
        assert set(stamps(queue)) == {Stamp(job.job_id)}
        _check_that_one_copy_runs(queue, Stamp(job.job_id))

    @pytest.mark.parametrize("before", [True, False], ids=["before the publish", "after the publish"])
    def test_release_is_repaired_by_a_repeat(self, queue: LegacyQueue, before: bool) -> None:
        job = a_job()
        queue.park([job])
        with pytest.raises(Died):
            dying(queue, before=before).release([(job, 1)])
        assert [one.answer for one in queue.release([(job, 1)])] == ["exists"]
        assert entry_of(queue.index, job.job_id).state == "published"
        assert set(stamps(queue)) == {Stamp(job.job_id, 1)}
        _check_that_one_copy_runs(queue, Stamp(job.job_id, 1))

    def test_what_was_abandoned_after_a_crash_is_published_no_more(self, queue: LegacyQueue) -> None:
        job = a_job()
        with pytest.raises(Died):
            dying(queue, before=True).enqueue([job])
        assert [one.answer for one in queue.abandon([job.job_id])] == ["cancelled"]
        assert [one.answer for one in queue.enqueue([job])] == ["conflict"]
        assert stamps(queue) == []

    def test_an_error_of_the_broker_leaves_an_intent(self, queue: LegacyQueue) -> None:
        job = a_job()
        broker: Any = BrokenBroker(queue.broker, before=True)
        with pytest.raises(LegacyUnavailable):
            LegacyQueue(broker, queue.index).enqueue([job])
        assert queue.index.count().unpublished == 1
        assert [one.answer for one in queue.enqueue([job])] == ["exists"]
        assert queue.index.count().unpublished == 0


def _check_that_one_copy_runs(queue: LegacyQueue, stamp: Stamp) -> None:
    guard = Guard(queue.index, start_in_supabase=lambda job_id, epoch: "started")
    first, copy = guard.admit(stamp, "conformance"), guard.admit(stamp.as_json(), "conformance")
    assert (first.verdict, copy.verdict) == ("run", "hold")
    assert first.run is not None
    with first.run as run:
        assert run.finish(DONE) == "recorded"
    assert guard.admit(stamp, "conformance").verdict == "drop"
