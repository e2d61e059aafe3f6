"""Conformance of an index: letting jobs run that only Supabase could allow."""

from __future__ import annotations

from supaqueue.cutover.legacy.conformance.subjects import DONE, LONG, IndexSubject, a_job, accepted, entry_of
from supaqueue.cutover.legacy.entry import BrokenGlass
from supaqueue.cutover.legacy.index import Index
from supaqueue.cutover.stamp import Stamp

BROKEN = BrokenGlass("ann@host", "the project was deleted")


class IndexBreakGlass(IndexSubject):
    """See the module."""

    def test_a_parked_copy_becomes_an_intent_under_the_next_epoch(self, index: Index) -> None:
        job = a_job()
        index.park([job])
        stamp = Stamp(job.job_id, 1)
        assert index.break_glass([job.job_id], BROKEN) == [stamp]
        assert index.unpublished([stamp]) == [True]
        entry = entry_of(index, job.job_id)
        assert (entry.owner, entry.epoch, entry.state, entry.job) == ("legacy", 1, "intent", job)
        broken = entry.broken_glass
        assert broken is not None
        assert broken.at is not None
        assert (broken.by, broken.reason) == (BROKEN.by, BROKEN.reason)
        assert index.start(stamp, "a", LONG) == "started"

    def test_a_repeat_answers_alike_and_the_first_stays(self, index: Index) -> None:
        job = a_job()
        index.park([job])
        index.break_glass([job.job_id], BROKEN)
        first = entry_of(index, job.job_id)
        index.published([(Stamp(job.job_id, 1), "native")])
        assert index.break_glass([job.job_id], BrokenGlass("bob", "again")) == [Stamp(job.job_id, 1)]
        again = entry_of(index, job.job_id)
        assert (again.broken_glass, again.state) == (first.broken_glass, "published")

    def test_a_copy_that_was_taken_over_comes_back(self, index: Index) -> None:
        old = accepted(index)
        index.close([old.job_id], "taken_over")
        assert index.break_glass([old.job_id], BROKEN) == [Stamp(old.job_id, 1)]
        entry = entry_of(index, old.job_id)
        assert (entry.owner, entry.state, entry.closed_as) == ("legacy", "intent", None)
        assert index.start(old, "a", LONG) == "stale"
        assert index.start(Stamp(old.job_id, 1), "a", LONG) == "started"

    def test_what_was_handed_over_stays_under_its_epoch(self, index: Index) -> None:
        job = a_job()
        stamp = Stamp(job.job_id, 3)
        index.release([stamp], [job])
        index.published([(stamp, "native")])
        assert index.break_glass([job.job_id], BROKEN) == [stamp]
        entry = entry_of(index, job.job_id)
        assert (entry.epoch, entry.state) == (3, "published")
        assert entry.broken_glass is not None
        index.release([Stamp(job.job_id, 4)], [job])
        assert entry_of(index, job.job_id).broken_glass is None, "Supabase is back, and decides again"

    def test_nothing_else_is_allowed(self, index: Index) -> None:
        own, unknown, ended, settled = accepted(index), a_job(), accepted(index), a_job()
        index.start(ended, "a", LONG)
        index.finish(ended, "a", DONE)
        index.park([settled])
        index.settle([(settled, DONE)])
        cancelled = a_job()
        index.park([cancelled])
        index.close([cancelled.job_id], "cancelled")
        asked = [own.job_id, unknown.job_id, ended.job_id, settled.job_id, cancelled.job_id]
        assert index.break_glass(asked, BROKEN) == [None] * 5
        assert entry_of(index, own.job_id).broken_glass is None
        assert index.get([unknown.job_id]) == [None]
