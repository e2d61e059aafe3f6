"""Conformance of an index: ids that are accepted only once Supabase has settled who owns them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

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
from supaqueue.cutover.legacy.entry import BrokenGlass
from supaqueue.cutover.legacy.index import Index
from supaqueue.cutover.stamp import Stamp


class IndexReservations(IndexSubject):
    """See the module."""

    def test_what_is_reserved_is_accepted_only_as_settled(self, index: Index) -> None:
        reserved, other = a_job(), a_job()
        assert index.reserve([reserved.job_id]) == ["supabase"]
        for _ in range(2):
            answers = index.accept([reserved, other])
            assert [(one.answer, one.message_due) for one in answers] in (
                [("reserved", False), ("created", True)],
                [("reserved", False), ("exists", True)],
            )
        (settled,) = index.accept([reserved], is_settled=True)
        assert (settled.answer, settled.message_due) == ("created", True)
        assert entry_of(index, reserved.job_id).job == reserved
        assert [one.answer for one in index.accept([reserved])] == ["exists"], "an entry outranks it"

    def test_a_reservation_is_no_entry(self, index: Index) -> None:
        job = a_job()
        index.reserve([job.job_id])
        assert index.get([job.job_id]) == [None]
        assert index.list_by_time(BEGINNING, FAR_FUTURE, None, 9) == []
        assert index.count().parked == 0
        assert index.start(Stamp(job.job_id), "a", LONG) == "unknown"
        assert index.break_glass([job.job_id], BrokenGlass("ann", "gone")) == [None]

    def test_reserve_tells_who_has_what_is_there(self, index: Index) -> None:
        jobs = accepted, parked, settled, released, abandoned, ended = some_jobs(6)
        index.accept([accepted, ended])
        index.start(Stamp(ended.job_id), "a", LONG)
        index.finish(Stamp(ended.job_id), "a", DONE)
        index.park([parked])
        index.settle([(settled, DONE)])
        index.release([Stamp(released.job_id, 1)], [released])
        index.close([abandoned.job_id], "abandoned")
        owners = ["legacy", "supabase", "supabase", "legacy", "legacy", "legacy"]
        for _ in range(2):
            assert index.reserve([job.job_id for job in jobs]) == owners
        index.forget(FAR_FUTURE, 9)
        assert [one.answer for one in index.accept([settled])] == ["created"], "it was not reserved"

    def test_every_other_entry_comes_in_spite_of_a_reservation(self, index: Index) -> None:
        jobs = parked, settled, released, abandoned = some_jobs(4)
        index.reserve([job.job_id for job in jobs])
        assert index.park([parked]) == [True]
        index.settle([(settled, DONE)])
        assert index.release([Stamp(released.job_id, 1)], [released]) == ["released"]
        assert index.close([abandoned.job_id], "abandoned") == ["closed"]
        assert [one.answer for one in index.accept(jobs)] == ["exists", "exists", "exists", "conflict"]
        assert entry_of(index, parked.job_id).state == "parked"

    def test_reservations_are_forgotten_by_their_age(self, index: Index) -> None:
        jobs = some_jobs(3)
        index.reserve([job.job_id for job in jobs])
        assert index.forget(BEGINNING, 10) == 0
        assert [one.answer for one in index.accept(jobs)] == ["reserved"] * 3
        assert [index.forget(FAR_FUTURE, 2), index.forget(FAR_FUTURE, 2)] == [2, 1]
        assert [one.answer for one in index.accept(jobs)] == ["created"] * 3

    def test_many_are_reserved_in_order(self, index: Index) -> None:
        jobs = some_jobs(1200)
        index.accept(jobs[::2])
        assert index.reserve([job.job_id for job in jobs]) == ["legacy", "supabase"] * 600
        assert index.forget(FAR_FUTURE, 1000) == 600

    def test_a_job_is_accepted_or_reserved_never_both(self, connect_index: Callable[[], Index]) -> None:
        jobs = some_jobs(20)
        accepts, reserves = _accepting(jobs), _reserving(jobs)
        calls = [accepts, reserves] * (CALLERS // 2)
        for answers in zip(*at_once_with(connect_index, calls), strict=True):
            by_accept, by_reserve = answers[::2], answers[1::2]
            if "created" in by_accept:
                assert Counter(by_accept) == {"created": 1, "exists": CALLERS // 2 - 1}
                assert set(by_reserve) == {"legacy"}
            else:
                assert set(by_accept) == {"reserved"}
                assert set(by_reserve) == {"supabase"}


def _accepting(jobs: Sequence[NewJob]) -> Callable[[Index], list[str]]:
    return lambda index: [one for job in jobs for one in [index.accept([job])[0].answer]]


def _reserving(jobs: Sequence[NewJob]) -> Callable[[Index], list[str]]:
    return lambda index: [one for job in jobs for one in index.reserve([job.job_id])]
