"""Conformance of an old queue: every call of `LegacyQueue`, and every repeat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from supaqueue.contract import NewJob, NewTask
from supaqueue.cutover.errors import NotExpressible
from supaqueue.cutover.legacy.broker import Waiting
from supaqueue.cutover.legacy.conformance.index_races import CALLERS, at_once_with
from supaqueue.cutover.legacy.conformance.subjects import (
    BEGINNING,
    DONE,
    LONG,
    QueueSubject,
    a_job,
    entry_of,
    some_jobs,
)
from supaqueue.cutover.legacy.queue import LABELS, LegacyQueue
from supaqueue.cutover.stamp import Stamp
from supaqueue.job_id import new_job_id
from supaqueue.unique import Unique


def waiting(queue: LegacyQueue) -> list[Waiting]:
    """Return what waits in the broker; skips the test where the broker declares that it cannot say."""
    if "list_waiting" in queue.broker.cannot:
        pytest.skip(f"{queue.broker.name}: {queue.broker.cannot['list_waiting']}")
    return list(queue.broker.waiting())


def stamps(queue: LegacyQueue) -> list[Stamp | None]:
    """Return the stamps of what waits."""
    return [one.stamp for one in waiting(queue)]


class QueueCalls(QueueSubject):
    """See the module."""

    def test_enqueue_publishes_once(self, queue: LegacyQueue) -> None:
        job = NewJob("conformance", {"text": "ä", "rows": [1, None, 2.5]})
        (first,) = queue.enqueue([job])
        assert (first.job_id, first.answer, first.owner) == (job.job_id, "created", "legacy")
        assert [one.answer for one in queue.enqueue([job])] == ["exists"]
        (entry,) = queue.get([job.job_id])
        assert entry is not None
        assert (entry.state, entry.native_id is not None) == ("published", True)
        (found,) = waiting(queue)
        assert found.native_id == entry.native_id
        assert (found.stamp, found.task_type) == (Stamp(job.job_id), "conformance")
        assert found.payload == job.payload

    def test_enqueue_of_many_answers_in_order(self, queue: LegacyQueue) -> None:
        jobs = some_jobs(30)
        queue.enqueue(jobs[:10])
        answers = queue.enqueue(jobs)
        assert [(one.job_id, one.answer) for one in answers] == [
            (job.job_id, "exists" if number < 10 else "created") for number, job in enumerate(jobs)
        ]
        assert Counter(stamps(queue)) == Counter(Stamp(job.job_id) for job in jobs)

    def test_enqueue_of_other_content_is_a_conflict(self, queue: LegacyQueue) -> None:
        job = a_job(1)
        queue.enqueue([job])
        (answer,) = queue.enqueue([NewJob(job.task_type, {"number": 2}, job_id=job.job_id)])
        assert answer.answer == "conflict"
        assert [one.payload for one in waiting(queue)] == [job.payload]

    def test_a_delayed_job_waits_until_it_is_due(self, queue: LegacyQueue) -> None:
        if "run_at" not in queue.broker.expresses:
            pytest.skip(f"{queue.broker.name} has no run_at")
        due_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
        job = NewJob("conformance", run_at=due_at)
        queue.enqueue([job])
        (found,) = waiting(queue)
        assert found.stamp == Stamp(job.job_id)
        assert found.due_at is None or abs(found.due_at - due_at) < timedelta(seconds=1)

    def test_options_that_cannot_be_held_are_refused_before_any_write(self, queue: LegacyQueue) -> None:
        soon = datetime.now(UTC) + timedelta(hours=1)
        given = [
            NewJob("t", queue="other"),
            NewJob("t", run_at=soon),
            NewJob("t", delay=60),
            NewJob("t", max_attempts=3),
            NewJob("t", backoff=3),
            NewJob("t", timeout=3),
            NewJob("t", deadline=60),
            NewJob("t", tags=["a"]),
            NewJob("t", tenant="a"),
            NewJob("t", unique=Unique("k", until="started")),
            NewJob("t", tasks=[NewTask("a")], on_failure="fail"),
        ]
        for job in given:
            (option,) = job.options_given()
            if option in queue.broker.expresses | LABELS:
                queue.check(job)
                continue
            with pytest.raises(NotExpressible) as refused:
                queue.enqueue([a_job(), job])
            assert refused.value.field == option
        assert list(queue.list_by_time(BEGINNING)) == []

    def test_a_parked_copy_is_not_in_the_broker(self, queue: LegacyQueue) -> None:
        job = a_job()
        queue.park([job])
        queue.park([job])
        assert waiting(queue) == []
        queue.settle([(job, DONE)])
        queue.settle([(job, DONE)])
        assert waiting(queue) == []
        (entry,) = queue.get([job.job_id])
        assert entry is not None
        assert entry.closed_as == "settled"

    def test_release_publishes_once_under_the_epoch(self, queue: LegacyQueue) -> None:
        parked, unknown = a_job(1), a_job(2)
        queue.park([parked])
        for answer in ("released", "exists"):
            released = queue.release([(parked, 1), (unknown, 2)])
            assert [one.answer for one in released] == [answer, answer]
        assert set(stamps(queue)) == {Stamp(parked.job_id, 1), Stamp(unknown.job_id, 2)}
        assert len(stamps(queue)) == 2

    def test_take_over_of_what_waits_or_has_begun(self, queue: LegacyQueue) -> None:
        waits, runs = a_job(), a_job()
        queue.enqueue([waits, runs])
        queue.index.start(Stamp(runs.job_id), "a", LONG)
        queue.index.free(Stamp(runs.job_id), "a")
        for _ in range(2):
            assert queue.take_over([Stamp(waits.job_id), Stamp(runs.job_id)]) == [True, False]
        assert queue.index.start(Stamp(waits.job_id), "a", LONG) == "closed"
        assert queue.index.start(Stamp(runs.job_id), "a", LONG) == "started"
        if "withdraw" not in queue.broker.cannot:
            assert stamps(queue) == [Stamp(runs.job_id)]

    def test_a_late_take_over_leaves_alone_what_came_back(self, queue: LegacyQueue) -> None:
        job = a_job()
        queue.enqueue([job])
        assert queue.take_over([Stamp(job.job_id)]) == [True]
        queue.release([(job, 2)])
        assert queue.take_over([Stamp(job.job_id)]) == [False]
        assert queue.index.start(Stamp(job.job_id, 2), "a", LONG) == "started"

    def test_a_job_that_was_taken_over_can_come_back(self, queue: LegacyQueue) -> None:
        job = a_job()
        queue.enqueue([job])
        (native_id,) = [entry_of(queue.index, job.job_id).native_id]
        assert queue.index.close([job.job_id], "taken_over") == ["closed"]
        if "withdraw" not in queue.broker.cannot:
            assert native_id is not None
            assert queue.broker.withdraw([native_id]) == [True]
            assert queue.broker.withdraw([native_id]) == [False]
        assert [one.answer for one in queue.release([(job, 2)])] == ["released"]
        assert Stamp(job.job_id, 2) in stamps(queue)
        assert queue.index.start(Stamp(job.job_id), "a", LONG) == "stale"
        assert queue.index.start(Stamp(job.job_id, 2), "a", LONG) == "started"

    def test_cancel_of_what_waits(self, queue: LegacyQueue) -> None:
        job = a_job()
        queue.enqueue([job])
        for _ in range(2):
            assert [one.answer for one in queue.cancel([job.job_id])] == ["cancelled"]
        assert queue.index.start(Stamp(job.job_id), "a", LONG) in ("ended", "closed")
        if "withdraw" not in queue.broker.cannot:
            assert waiting(queue) == []

    def test_cancel_of_what_runs_has_ended_or_is_unknown(self, queue: LegacyQueue) -> None:
        running, ended = a_job(), a_job()
        unknown = new_job_id()
        queue.enqueue([running, ended])
        for job in (running, ended):
            queue.index.start(Stamp(job.job_id), "a", LONG)
        queue.index.finish(Stamp(ended.job_id), "a", DONE)
        for _ in range(2):
            answers = queue.cancel([running.job_id, unknown, ended.job_id])
            assert [one.answer for one in answers] == ["requested", "unknown", "finished"]
        assert queue.index.renew(Stamp(running.job_id), "a", LONG) == "cancel"
        assert [one.answer for one in queue.enqueue([a_job()])] == ["created"]

    def test_abandon(self, queue: LegacyQueue) -> None:
        to_come, waits, runs = a_job(), a_job(), a_job()
        queue.enqueue([waits, runs])
        queue.index.start(Stamp(runs.job_id), "a", LONG)
        ids = [to_come.job_id, waits.job_id, runs.job_id]
        for _ in range(2):
            assert [one.answer for one in queue.abandon(ids)] == ["abandoned", "cancelled", "started"]
        assert [one.answer for one in queue.enqueue([to_come, waits])] == ["conflict", "conflict"]
        assert queue.index.start(Stamp(waits.job_id), "a", LONG) in ("ended", "closed")

    def test_list_by_time_gives_all_in_order(self, queue: LegacyQueue) -> None:
        for _ in range(3):
            queue.enqueue(some_jobs(5))
        queue.park([a_job()])
        found = [(entry.accepted_at, entry.job_id) for entry in queue.list_by_time(BEGINNING)]
        assert len(found) == 16
        assert found == sorted(found)

    def test_count_of_the_broker(self, queue: LegacyQueue) -> None:
        before = queue.broker.count()
        queue.enqueue(some_jobs(3))
        if "run_at" in queue.broker.expresses:
            queue.enqueue([NewJob("conformance", run_at=datetime.now(UTC) + timedelta(hours=1))])
        queue.park([a_job()])
        after = queue.broker.count()
        assert after.pending - before.pending == 3
        if after.scheduled is not None and "run_at" in queue.broker.expresses:
            assert after.scheduled == 1
        assert after.unstamped in (0, None)

    def test_of_many_that_enqueue_one_publishes(self, connect: Callable[[], LegacyQueue]) -> None:
        jobs = some_jobs(10)
        calls = [lambda queue: [one.answer for one in queue.enqueue(jobs)]] * CALLERS
        for answers in zip(*at_once_with(connect, calls), strict=True):
            assert Counter(answers) == {"created": 1, "exists": CALLERS - 1}
        # A repeat that overtakes the first finds an intent, and publishes as well: the marker sees to that.
        assert set(stamps(connect())) == {Stamp(job.job_id) for job in jobs}

    def test_signs_of_life(self, queue: LegacyQueue) -> None:
        queue.broker.check_alive()
        assert all(isinstance(problem, str) for problem in queue.broker.problems())
        queue.close()
