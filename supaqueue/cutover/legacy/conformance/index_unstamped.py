"""Conformance of an index: messages without a stamp, which run, or are adopted and then have an entry."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable

from supaqueue.contract import NewJob
from supaqueue.cutover.legacy.conformance.index_races import CALLERS, at_once_with
from supaqueue.cutover.legacy.conformance.subjects import (
    BEGINNING,
    DONE,
    FAR_FUTURE,
    LONG,
    IndexSubject,
    a_job,
    entry_of,
    some_jobs,
)
from supaqueue.cutover.legacy.index import Index
from supaqueue.cutover.stamp import Stamp


class IndexUnstamped(IndexSubject):
    """See the module."""

    def test_what_runs_is_counted_and_adopted_no_more(self, index: Index) -> None:
        job = a_job()
        assert (index.count().unstamped_runs, index.count().last_unstamped_at) == (0, None)
        assert [index.start_unstamped(job.job_id, runner, LONG) for runner in "ab"] == ["noted", "noted"]
        counts = index.count()
        assert (counts.unstamped_runs, counts.last_unstamped_at is not None) == (2, True)
        assert index.adopt([(job, "native")]) == ["begun"]
        assert index.get([job.job_id]) == [None]
        assert (counts.published, counts.marked) == (0, 0)

    def test_what_was_adopted_waits_as_if_it_had_been_published(self, index: Index) -> None:
        job = NewJob("conformance", {"n": 1}, run_at=FAR_FUTURE)
        assert index.adopt([(job, "native"), (job, "native")]) == ["adopted", "exists"]
        assert index.adopt([(job, "other")]) == ["exists"]
        entry = entry_of(index, job.job_id)
        assert (entry.owner, entry.epoch, entry.state, entry.native_id) == (
            "legacy",
            0,
            "published",
            "native",
        )
        assert (entry.job, entry.due_at) == (job, FAR_FUTURE)
        assert index.count().published == 1

    def test_many_are_adopted_in_order(self, index: Index) -> None:
        jobs = some_jobs(1100)
        for job in jobs[::2]:
            index.start_unstamped(job.job_id, "a", LONG)
        assert index.adopt([(job, "native") for job in jobs]) == ["begun", "adopted"] * 550

    def test_what_was_adopted_starts_under_the_marker(self, index: Index) -> None:
        job = a_job()
        index.adopt([(job, "native")])
        assert index.start_unstamped(job.job_id, "a", LONG) == "started"
        assert index.start_unstamped(job.job_id, "b", LONG) == "busy"
        assert index.close([job.job_id], "taken_over", [0]) == ["started"]
        assert index.finish(Stamp(job.job_id), "a", DONE) == "recorded"
        assert index.start_unstamped(job.job_id, "b", LONG) == "ended"
        assert index.count().unstamped_runs == 0

    def test_what_was_taken_over_starts_no_more(self, index: Index) -> None:
        job = a_job()
        index.adopt([(job, "native")])
        assert index.close([job.job_id], "taken_over", [0]) == ["closed"]
        assert index.start_unstamped(job.job_id, "a", LONG) == "closed"
        assert index.adopt([(job, "native")]) == ["exists"]

    def test_what_came_back_is_not_the_first_message_s(self, index: Index) -> None:
        job = a_job()
        index.adopt([(job, "native")])
        index.close([job.job_id], "taken_over", [0])
        assert index.release([Stamp(job.job_id, 2)], [job]) == ["released"]
        assert index.start_unstamped(job.job_id, "a", LONG) == "stale"

    def test_what_was_taken_over_is_remembered_until_it_would_be_due(self, index: Index) -> None:
        late, soon = NewJob("conformance", run_at=FAR_FUTURE), a_job()
        index.adopt([(late, "late"), (soon, "soon")])
        index.close([late.job_id, soon.job_id], "taken_over", [0, 0])
        assert index.forget(FAR_FUTURE, 9) == 1
        assert index.start_unstamped(late.job_id, "a", LONG) == "closed"

    def test_what_ran_is_listed_by_when_it_last_began(self, index: Index) -> None:
        jobs = some_jobs(5)
        for job in jobs:
            index.start_unstamped(job.job_id, "a", LONG)
        index.start_unstamped(jobs[0].job_id, "b", LONG)
        index.adopt([(adopted := a_job(), "native")])
        index.start_unstamped(adopted.job_id, "a", LONG)
        runs = index.list_unstamped_runs(BEGINNING, FAR_FUTURE, None, 9)
        assert [run.job_id for run in runs] == [job.job_id for job in [*jobs[1:], jobs[0]]]
        times = [run.began_at for run in runs]
        assert times == sorted(times)
        assert index.list_unstamped_runs(times[1], times[-1], None, 9) == runs[1:-1]

    def test_what_ran_is_listed_by_page(self, index: Index) -> None:
        for job in some_jobs(5):
            index.start_unstamped(job.job_id, "a", LONG)
        after, found = None, []
        while page := index.list_unstamped_runs(BEGINNING, FAR_FUTURE, after, 2):
            after = (page[-1].began_at, page[-1].job_id)
            found += page
        assert found == index.list_unstamped_runs(BEGINNING, FAR_FUTURE, None, 9)
        assert len(found) == 5

    def test_notes_are_forgotten(self, index: Index) -> None:
        job = a_job()
        index.start_unstamped(job.job_id, "a", LONG)
        assert index.forget(FAR_FUTURE, 9) == 0
        assert index.list_unstamped_runs(BEGINNING, FAR_FUTURE, None, 9) == []
        assert index.adopt([(job, "native")]) == ["adopted"]

    def test_a_message_is_noted_or_adopted_never_both(self, connect_index: Callable[[], Index]) -> None:
        for job in some_jobs(10):
            answers = at_once_with(connect_index, [_starting(job)] * CALLERS + [_adopting(job)])
            *starts, adopted = answers
            if adopted == "begun":
                assert "noted" in starts
                assert set(starts) == {"noted"}
            else:
                assert adopted == "adopted"
                assert Counter(starts) == {"started": 1, "busy": CALLERS - 1}


def _starting(job: NewJob) -> Callable[[Index], str]:
    return lambda index: index.start_unstamped(job.job_id, str(uuid.uuid4()), LONG)


def _adopting(job: NewJob) -> Callable[[Index], str]:
    return lambda index: index.adopt([(job, "native")])[0]
