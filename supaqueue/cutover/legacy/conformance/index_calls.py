"""Conformance of an index: accepting, parking, handing over, listing."""

from __future__ import annotations

from datetime import timedelta

from supaqueue.backoff import Backoff
from supaqueue.contract import NewJob
from supaqueue.cutover.legacy.conformance.subjects import (
    BEGINNING,
    DONE,
    FAR_FUTURE,
    LONG,
    IndexSubject,
    a_job,
    accepted,
    entry_of,
    some_jobs,
)
from supaqueue.cutover.legacy.index import Index
from supaqueue.cutover.stamp import Stamp
from supaqueue.job_id import new_job_id


class IndexCalls(IndexSubject):
    """See the module."""

    def test_accept_answers_a_repeat_alike_until_it_is_published(self, index: Index) -> None:
        job, other = a_job(), a_job()
        first = index.accept([job, other])
        assert [(one.answer, one.message_due) for one in first] == [("created", True)] * 2
        (repeat,) = index.accept([job])
        assert (repeat.answer, repeat.message_due) == ("exists", True)
        index.published([(Stamp(job.job_id), "native")])
        (published,) = index.accept([job])
        assert (published.answer, published.message_due) == ("exists", False)
        entry = entry_of(index, job.job_id)
        assert (entry.owner, entry.epoch, entry.state, entry.native_id) == (
            "legacy",
            0,
            "published",
            "native",
        )

    def test_accept_tells_the_same_id_with_other_content(self, index: Index) -> None:
        job = a_job(1)
        index.accept([job])
        (answer,) = index.accept([NewJob(job.task_type, {"number": 2}, job_id=job.job_id)])
        assert (answer.answer, answer.message_due) == ("conflict", False)
        assert entry_of(index, job.job_id).job == job

    def test_accept_leaves_it_to_supabase_to_compare_what_that_has_had(self, index: Index) -> None:
        given = a_job()
        told = NewJob(given.task_type, given.payload, job_id=given.job_id, max_attempts=5, backoff=1.0)
        index.park([told])
        (parked,) = index.accept([given])
        assert (parked.answer, parked.message_due, parked.owner, parked.epoch) == (
            *("exists", False, "supabase", 0),
        )
        index.release([Stamp(given.job_id, 1)], [told])
        (released,) = index.accept([given])
        assert (released.answer, released.message_due, released.owner, released.epoch) == (
            *("exists", False, "legacy", 1),
        )

    def test_accept_of_one_job_twice_in_a_call(self, index: Index) -> None:
        job = a_job()
        assert [one.answer for one in index.accept([job, job])] == ["created", "exists"]

    def test_accept_of_many_answers_in_order(self, index: Index) -> None:
        jobs = some_jobs(1500)
        index.accept(jobs[::2])
        answers = [one.answer for one in index.accept(jobs)]
        assert answers == ["exists", "created"] * 750

    def test_a_job_is_kept_as_it_was_given(self, index: Index) -> None:
        job = NewJob(
            "conformance",
            {"text": "ä \u2028 \"'\\ {}", "numbers": [0, -1, 1.5, 2**70, True, None], "empty": [{}, [], ""]},
            queue="other",
            run_at=FAR_FUTURE,
            max_attempts=3,
            backoff=Backoff(1, 3, 60, jitter=False),
            timeout=1.5,
            deadline=FAR_FUTURE + timedelta(days=1),
            tags=["a", "b"],
            tenant="ä",
        )
        plain = NewJob("conformance", None, delay=3, deadline=60)
        index.accept([job, plain])
        assert entry_of(index, job.job_id).job == job
        assert entry_of(index, plain.job_id).job == plain

    def test_due_times_stay_as_they_were_first(self, index: Index) -> None:
        at, delayed, soon = NewJob("t", run_at=FAR_FUTURE), NewJob("t", delay=60), NewJob("t")
        first = index.accept([at, delayed, soon])
        assert first[0].due_at == FAR_FUTURE
        assert first[1].due_at == entry_of(index, delayed.job_id).accepted_at + timedelta(seconds=60)
        assert first[2].due_at is None
        assert [one.due_at for one in index.accept([at, delayed, soon])] == [one.due_at for one in first]

    def test_published_ignores_another_epoch(self, index: Index) -> None:
        job = a_job()
        index.release([Stamp(job.job_id, 2)], [job])
        index.published([(Stamp(job.job_id, 1), "early"), (Stamp(new_job_id()), "unknown")])
        assert entry_of(index, job.job_id).state == "intent"
        index.published([(Stamp(job.job_id, 2), "right")])
        index.published([(Stamp(job.job_id, 2), "late")])
        assert entry_of(index, job.job_id).native_id == "right"

    def test_park_stores_a_copy_that_never_starts(self, index: Index) -> None:
        job = a_job()
        assert index.park([job]) == [True]
        assert index.park([job]) == [False]
        entry = entry_of(index, job.job_id)
        assert (entry.owner, entry.state, entry.job) == ("supabase", "parked", job)
        assert index.start(Stamp(job.job_id), "runner", LONG) == "unknown"
        (answer,) = index.accept([job])
        assert (answer.answer, answer.message_due) == ("exists", False)

    def test_park_leaves_what_legacy_owns(self, index: Index) -> None:
        job = a_job()
        index.accept([job])
        assert index.park([job]) == [False]
        assert entry_of(index, job.job_id).owner == "legacy"

    def test_release_makes_a_parked_copy_an_intent(self, index: Index) -> None:
        parked, unknown = a_job(), a_job()
        index.park([parked])
        stamps = [Stamp(parked.job_id, 1), Stamp(unknown.job_id, 1)]
        assert index.release(stamps, [parked, unknown]) == ["released", "released"]
        assert index.release(stamps, [parked, unknown]) == ["exists", "exists"]
        assert index.unpublished(stamps) == [True, True]
        index.published([(stamps[0], "native")])
        assert index.unpublished([stamps[0], Stamp(unknown.job_id, 2)]) == [False, False]
        assert [entry_of(index, one.job_id).owner for one in stamps] == ["legacy", "legacy"]

    def test_a_released_job_starts_under_its_epoch_only(self, index: Index) -> None:
        job = a_job()
        index.release([Stamp(job.job_id, 2)], [job])
        assert index.release([Stamp(job.job_id, 1)], [job]) == ["stale"]
        assert index.start(Stamp(job.job_id, 1), "runner", LONG) == "stale"
        assert index.start(Stamp(job.job_id, 3), "runner", LONG) == "unknown"
        assert index.start(Stamp(job.job_id, 2), "runner", LONG) == "started"

    def test_a_late_enqueue_publishes_nothing_of_a_released_job(self, index: Index) -> None:
        job = a_job()
        index.release([Stamp(job.job_id, 1)], [job])
        (answer,) = index.accept([job])
        assert (answer.answer, answer.message_due) == ("exists", False)

    def test_release_of_what_is_closed(self, index: Index) -> None:
        cancelled, abandoned, ended = some_jobs(3)
        index.accept([cancelled])
        index.close([cancelled.job_id], "cancelled")
        index.close([abandoned.job_id], "abandoned")
        index.accept([ended])
        index.start(Stamp(ended.job_id), "runner", LONG)
        index.finish(Stamp(ended.job_id), "runner", DONE)
        jobs = [cancelled, abandoned, ended]
        assert index.release([Stamp(job.job_id, 1) for job in jobs], jobs) == ["closed"] * 3

    def test_a_replayed_job_can_come_back_after_it_was_settled(self, index: Index) -> None:
        job = a_job()
        index.settle([(job, DONE)])
        index.park([job])
        assert index.release([Stamp(job.job_id, 1)], [job]) == ["released"]
        assert entry_of(index, job.job_id).ending is None
        assert index.start(Stamp(job.job_id, 1), "runner", LONG) == "started"
        assert index.finish(Stamp(job.job_id, 1), "runner", DONE) == "recorded"

    def test_release_after_a_takeover(self, index: Index) -> None:
        job = a_job()
        index.release([Stamp(job.job_id, 1)], [job])
        index.close([job.job_id], "taken_over")
        assert index.release([Stamp(job.job_id, 1)], [job]) == ["stale"]
        assert index.release([Stamp(job.job_id, 3)], [job]) == ["released"]
        assert index.start(Stamp(job.job_id, 1), "runner", LONG) == "stale"
        assert index.start(Stamp(job.job_id, 3), "runner", LONG) == "started"

    def test_get_answers_in_order(self, index: Index) -> None:
        one, two = accepted(index), accepted(index)
        unknown = new_job_id()
        found = index.get([two.job_id, unknown, one.job_id])
        assert [entry and entry.job_id for entry in found] == [two.job_id, None, one.job_id]

    def test_list_by_time_pages_through_all_in_order(self, index: Index) -> None:
        for _ in range(3):
            index.accept(some_jobs(7))  # which may share a time
        found = index.list_by_time(BEGINNING, FAR_FUTURE, None, 100)
        places = [(entry.accepted_at, entry.job_id) for entry in found]
        assert len(places) == 21
        assert places == sorted(places)
        paged: list[str] = []
        after = None
        while page := index.list_by_time(BEGINNING, FAR_FUTURE, after, 4):
            assert len(page) <= 4
            paged += [entry.job_id for entry in page]
            after = (page[-1].accepted_at, page[-1].job_id)
        assert paged == [job_id for _, job_id in places]

    def test_list_by_time_keeps_to_its_bounds(self, index: Index) -> None:
        for _ in range(3):
            accepted(index)
        first, middle, last = (
            entry.accepted_at for entry in index.list_by_time(BEGINNING, FAR_FUTURE, None, 9)
        )
        assert [entry.accepted_at for entry in index.list_by_time(middle, last, None, 9)] == [middle]
        assert [entry.accepted_at for entry in index.list_by_time(first, last, None, 9)] == [first, middle]
        assert index.list_by_time(last + timedelta(microseconds=1), FAR_FUTURE, None, 9) == []
