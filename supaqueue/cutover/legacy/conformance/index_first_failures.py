"""Conformance of an index: that an attempt failed is told of before its job's end.

An index that lacks the methods leaves these out; its failed attempts are known late, and a gate says so.
"""

from __future__ import annotations

import pytest

from supaqueue.cutover.legacy.conformance.subjects import (
    DONE,
    FAR_FUTURE,
    LONG,
    IndexSubject,
    a_job,
    accepted,
)
from supaqueue.cutover.legacy.first_failures import tells_first_failures
from supaqueue.cutover.legacy.index import Index
from supaqueue.cutover.stamp import Stamp


class IndexFirstFailures(IndexSubject):
    """See the module."""

    @pytest.fixture
    def telling(self, index: Index) -> Index:
        """The index, if it tells of failed attempts."""
        if not tells_first_failures(index):
            pytest.skip("this index does not tell of attempts that failed")
        return index

    def test_a_marker_given_back_after_a_failure_is_free(self, telling: Index) -> None:
        stamp = accepted(telling)
        telling.start(stamp, "a", LONG)
        telling.free_failed(stamp, "b")
        assert telling.start(stamp, "b", LONG) == "busy"
        assert telling.unsent_first_failures(9) == [], "it was not that runner's attempt"
        telling.free_failed(stamp, "a")
        telling.free_failed(stamp, "a")
        assert telling.start(stamp, "b", LONG) == "started"
        assert telling.unsent_first_failures(9) == [stamp]

    def test_other_attempts_are_not_told_of(self, telling: Index) -> None:
        freed, ended = accepted(telling), accepted(telling)
        for stamp in (freed, ended):
            telling.start(stamp, "a", LONG)
        telling.free(freed, "a")
        telling.finish(ended, "a", DONE)
        assert telling.unsent_first_failures(9) == []

    def test_a_job_is_told_of_once(self, telling: Index) -> None:
        stamp = accepted(telling)
        for _ in range(2):
            telling.start(stamp, "a", LONG)
            telling.free_failed(stamp, "a")
            assert telling.unsent_first_failures(9) == [stamp]
        telling.first_failures_sent([stamp])
        telling.first_failures_sent([stamp])
        telling.start(stamp, "a", LONG)
        telling.free_failed(stamp, "a")
        telling.start(stamp, "a", LONG)
        telling.finish(stamp, "a", DONE)
        assert telling.unsent_first_failures(9) == []

    def test_they_are_unsent_until_told_oldest_first(self, telling: Index) -> None:
        stamps = [accepted(telling) for _ in range(3)]
        for stamp in stamps:
            telling.start(stamp, "a", LONG)
            telling.free_failed(stamp, "a")
        assert telling.unsent_first_failures(2) == stamps[:2]
        telling.first_failures_sent(stamps[:1])
        assert telling.unsent_first_failures(9) == stamps[1:]
        telling.first_failures_sent([])

    def test_under_another_epoch_it_is_told_again(self, telling: Index) -> None:
        job = a_job()
        for epoch in (2, 4):
            stamp = Stamp(job.job_id, epoch)
            telling.release([stamp], [job])
            telling.start(stamp, "a", LONG)
            telling.free_failed(Stamp(job.job_id, epoch - 1), "a")
            telling.free_failed(stamp, "a")
            assert telling.unsent_first_failures(9) == [stamp]
            telling.first_failures_sent([stamp])

    def test_what_is_forgotten_is_not_told_of(self, telling: Index) -> None:
        stamp = accepted(telling)
        telling.start(stamp, "a", LONG)
        telling.free_failed(stamp, "a")
        telling.start(stamp, "a", LONG)
        telling.finish(stamp, "a", DONE)
        telling.endings_sent([stamp.job_id])
        assert telling.forget(FAR_FUTURE, 9) == 1
        assert telling.unsent_first_failures(9) == []
