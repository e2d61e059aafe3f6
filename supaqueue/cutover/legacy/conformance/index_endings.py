"""Conformance of an index: the run marker, endings, closing, counting."""

from __future__ import annotations

from dataclasses import replace

from supaqueue.cutover.legacy.conformance.subjects import (
    DONE,
    FAR_FUTURE,
    LONG,
    SHORT,
    IndexSubject,
    a_job,
    accepted,
    entry_of,
    eventually,
)
from supaqueue.cutover.legacy.entry import Ending
from supaqueue.cutover.legacy.index import Index
from supaqueue.cutover.stamp import Stamp
from supaqueue.job_id import new_job_id


class IndexEndings(IndexSubject):
    """See the module."""

    def test_one_runner_holds_the_marker(self, index: Index) -> None:
        stamp = accepted(index)
        assert index.start(stamp, "a", LONG) == "started"
        assert index.start(stamp, "a", LONG) == "started"
        assert index.start(stamp, "b", LONG) == "busy"
        assert index.renew(stamp, "a", LONG) == "held"
        assert index.renew(stamp, "b", LONG) == "lost"
        entry = entry_of(index, stamp.job_id)
        assert (entry.runner, entry.starts) == ("a", 1)
        assert index.count().marked == 1

    def test_a_marker_that_was_given_back_is_free(self, index: Index) -> None:
        stamp = accepted(index)
        index.start(stamp, "a", LONG)
        index.free(stamp, "b")
        assert index.start(stamp, "b", LONG) == "busy"
        index.free(stamp, "a")
        index.free(stamp, "a")
        assert index.renew(stamp, "a", LONG) == "lost"
        assert index.start(stamp, "b", LONG) == "started"
        assert entry_of(index, stamp.job_id).starts == 2

    def test_a_marker_that_expired_is_free(self, index: Index) -> None:
        stamp = accepted(index)
        index.start(stamp, "a", SHORT)
        eventually(lambda: index.start(stamp, "b", LONG), "started")
        assert index.renew(stamp, "a", LONG) == "lost"
        assert index.finish(stamp, "a", DONE) == "lost"
        assert index.renew(stamp, "b", LONG) == "held"

    def test_an_expired_marker_that_nobody_took_is_still_its_runners(self, index: Index) -> None:
        renewed, finished = accepted(index), accepted(index)
        index.start(renewed, "a", SHORT)
        index.start(finished, "a", SHORT)
        eventually(lambda: index.count().marked, 0)
        assert index.renew(renewed, "a", LONG) == "held"
        assert index.start(renewed, "b", LONG) == "busy"
        assert index.finish(finished, "a", DONE) == "recorded"

    def test_what_is_not_known_does_not_start(self, index: Index) -> None:
        stamp = Stamp(new_job_id())
        assert index.start(stamp, "a", LONG) == "unknown"
        assert index.renew(stamp, "a", LONG) == "lost"
        assert index.finish(stamp, "a", DONE) == "lost"

    def test_an_ending_is_recorded_once(self, index: Index) -> None:
        stamp = accepted(index)
        index.start(stamp, "a", LONG)
        assert index.finish(stamp, "a", DONE) == "recorded"
        assert index.finish(stamp, "a", Ending("failed")) == "recorded"
        assert index.finish(stamp, "b", Ending("failed")) == "lost"
        assert index.start(stamp, "a", LONG) == "ended"
        assert index.renew(stamp, "a", LONG) == "lost"
        ending = entry_of(index, stamp.job_id).ending
        assert ending is not None
        assert (ending.status, ending.result, ending.attempts) == ("completed", DONE.result, 1)
        assert ending.ended_at is not None

    def test_how_long_it_ran_and_why_its_result_is_left_out_are_kept(self, index: Index) -> None:
        stamp = accepted(index)
        index.start(stamp, "a", LONG)
        told = Ending("completed", attempts=1, seconds=61.25, left_out="result: is a set, which JSON has not")
        assert index.finish(stamp, "a", told) == "recorded"
        ending = entry_of(index, stamp.job_id).ending
        assert ending is not None
        assert (ending.seconds, ending.left_out) == (told.seconds, told.left_out)

    def test_what_a_second_run_came_to_is_noted_once_beside_the_end(self, index: Index) -> None:
        stamp, waiting = accepted(index), accepted(index)
        index.start(stamp, "a", LONG)
        again = Ending("completed", result={"rows": [1, 2.75, None, "ä"]}, attempts=1, seconds=0.5)
        index.record_repeat(stamp, again)
        assert entry_of(index, stamp.job_id).repeat is None, "it has not ended"
        index.finish(stamp, "a", DONE)
        before = entry_of(index, stamp.job_id)
        for repeat in (again, DONE):
            index.record_repeat(stamp, repeat)
        index.record_repeat(Stamp(waiting.job_id), again)
        index.record_repeat(Stamp(new_job_id()), again)
        assert entry_of(index, stamp.job_id) == replace(before, repeat=again)
        assert entry_of(index, waiting.job_id).repeat is None
        assert [entry.job_id for entry in index.unsent_endings(9)] == [stamp.job_id]
        assert index.finish(stamp, "a", DONE) == "recorded"
        assert index.start(stamp, "a", LONG) == "ended"

    def test_a_repeat_under_another_epoch_is_ignored(self, index: Index) -> None:
        job = a_job()
        index.release([Stamp(job.job_id, 2)], [job])
        index.start(Stamp(job.job_id, 2), "a", LONG)
        index.finish(Stamp(job.job_id, 2), "a", DONE)
        index.record_repeat(Stamp(job.job_id, 1), DONE)
        assert entry_of(index, job.job_id).repeat is None
        index.record_repeat(Stamp(job.job_id, 2), DONE)
        assert entry_of(index, job.job_id).repeat == DONE

    def test_an_ending_under_another_epoch_is_lost(self, index: Index) -> None:
        job = a_job()
        index.release([Stamp(job.job_id, 2)], [job])
        index.start(Stamp(job.job_id, 2), "a", LONG)
        assert index.finish(Stamp(job.job_id, 1), "a", DONE) == "lost"
        assert index.finish(Stamp(job.job_id, 2), "a", DONE) == "recorded"

    def test_a_runner_hears_that_it_is_to_stop(self, index: Index) -> None:
        stamp = accepted(index)
        index.start(stamp, "a", LONG)
        index.request_cancel([stamp.job_id, new_job_id()])
        assert index.renew(stamp, "a", LONG) == "cancel"
        assert index.renew(stamp, "a", LONG) == "cancel"
        error = {"type": "Cancel", "message": "asked"}
        assert index.finish(stamp, "a", Ending("cancelled", error={**error})) == "recorded"
        ending = entry_of(index, stamp.job_id).ending
        assert ending is not None
        assert ending.error == error

    def test_close_wins_over_what_waits(self, index: Index) -> None:
        stamp = accepted(index)
        assert index.close([stamp.job_id], "taken_over") == ["closed"]
        assert index.close([stamp.job_id], "taken_over") == ["closed"]
        assert index.close([stamp.job_id], "abandoned") == ["ended"]
        assert index.start(stamp, "a", LONG) == "closed"
        assert entry_of(index, stamp.job_id).closed_as == "taken_over"

    def test_close_of_an_unknown_id_is_a_tombstone(self, index: Index) -> None:
        job = a_job()
        assert index.close([job.job_id], "abandoned") == ["closed"]
        assert index.close([job.job_id], "abandoned") == ["closed"]
        (answer,) = index.accept([job])
        assert (answer.answer, answer.message_due) == ("conflict", False)
        assert index.park([job]) == [False]
        assert entry_of(index, job.job_id).job is None

    def test_an_abandoned_job_is_accepted_no_more(self, index: Index) -> None:
        job = a_job()
        index.accept([job])
        assert index.close([job.job_id], "abandoned") == ["closed"]
        assert [one.answer for one in index.accept([job])] == ["conflict"]

    def test_close_does_not_win_over_what_runs_or_ran(self, index: Index) -> None:
        stamp = accepted(index)
        index.start(stamp, "a", LONG)
        assert index.close([stamp.job_id] * 1, "cancelled") == ["started"]
        assert index.close([stamp.job_id], "abandoned") == ["started"]
        index.free(stamp, "a")
        assert index.close([stamp.job_id], "abandoned") == ["started"]
        assert index.close([stamp.job_id], "taken_over") == ["started"]
        assert index.close([stamp.job_id], "cancelled") == ["closed"]

    def test_close_of_what_ended(self, index: Index) -> None:
        stamp = accepted(index)
        index.start(stamp, "a", LONG)
        index.finish(stamp, "a", DONE)
        assert index.close([stamp.job_id], "cancelled") == ["ended"]
        assert index.close([stamp.job_id], "abandoned") == ["ended"]
        assert entry_of(index, stamp.job_id).ending is not None

    def test_a_cancelled_job_has_that_as_its_ending(self, index: Index) -> None:
        stamp = accepted(index)
        assert index.close([stamp.job_id], "cancelled") == ["closed"]
        assert index.close([stamp.job_id], "cancelled") == ["closed"]
        assert index.start(stamp, "a", LONG) in ("ended", "closed")
        (unsent,) = index.unsent_endings(9)
        assert unsent.job_id == stamp.job_id
        assert unsent.ending is not None
        assert unsent.ending.status == "cancelled"

    def test_what_was_abandoned_has_an_ending_too(self, index: Index) -> None:
        stamp, unknown = accepted(index), new_job_id()
        for _ in range(2):
            assert index.close([stamp.job_id, unknown], "abandoned") == ["closed", "closed"]
        unsent = index.unsent_endings(9)
        assert {entry.job_id for entry in unsent} == {stamp.job_id, unknown}
        assert [entry.ending and entry.ending.status for entry in unsent] == ["cancelled", "cancelled"]

    def test_settle_ends_parked_copies_and_nothing_else(self, index: Index) -> None:
        parked, unknown, own = a_job(), a_job(), a_job()
        index.park([parked])
        index.accept([own])
        ending = Ending("failed", error={"type": "E", "message": "m"}, attempts=3, ended_at=FAR_FUTURE)
        for _ in range(2):
            index.settle([(parked, ending), (unknown, ending), (own, ending)])
        for job in (parked, unknown):
            entry = entry_of(index, job.job_id)
            assert (entry.state, entry.closed_as, entry.ending) == ("closed", "settled", ending)
        assert entry_of(index, own.job_id).ending is None
        assert index.unsent_endings(9) == []
        index.settle([(parked, DONE)])
        replayed = entry_of(index, parked.job_id).ending
        assert replayed is not None
        assert replayed.status == DONE.status, "the latest end counts"

    def test_endings_are_unsent_until_told_oldest_first(self, index: Index) -> None:
        stamps = [accepted(index) for _ in range(3)]
        for stamp in stamps:
            index.start(stamp, "a", LONG)
            index.finish(stamp, "a", DONE)
        ids = [stamp.job_id for stamp in stamps]
        assert [entry.job_id for entry in index.unsent_endings(2)] == ids[:2]
        index.endings_sent(ids[:1])
        index.endings_sent(ids[:1])
        assert [entry.job_id for entry in index.unsent_endings(9)] == ids[1:]
        assert index.count().unsent_endings == 2

    def test_forget_removes_only_what_was_told(self, index: Index) -> None:
        told, untold, waiting = (accepted(index) for _ in range(3))
        for stamp in (told, untold):
            index.start(stamp, "a", LONG)
            index.finish(stamp, "a", DONE)
        index.endings_sent([told.job_id])
        assert index.forget(entry_of(index, told.job_id).accepted_at, 9) == 0
        assert index.forget(FAR_FUTURE, 9) == 1
        assert index.forget(FAR_FUTURE, 9) == 0
        found = index.get([told.job_id, untold.job_id, waiting.job_id])
        assert [entry is None for entry in found] == [True, False, False]

    def test_count(self, index: Index) -> None:
        index.accept([a_job(), a_job()])
        index.park([a_job()])
        ended, running, _ = (accepted(index) for _ in range(3))
        for stamp in (ended, running):
            index.start(stamp, "a", LONG)
        index.finish(ended, "a", DONE)
        counts = index.count()
        assert (counts.unpublished, counts.published, counts.parked) == (2, 2, 1)
        assert (counts.marked, counts.unsent_endings) == (1, 1)
