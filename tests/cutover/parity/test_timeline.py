"""Buckets of a round width."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from supaqueue.cutover.parity.classes import SECOND
from supaqueue.cutover.parity.timeline import (
    DAY,
    HOUR,
    MINUTE,
    MOST_BUCKETS,
    WIDTHS,
    Timeline,
    timeline_between,
    timeline_of,
)
from tests.cutover.parity.test_classify import told
from tests.cutover.parity.test_report import counted, report

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
AT_NOON = int(NOON.timestamp()) * SECOND


@pytest.mark.parametrize(
    ("length", "width", "buckets"),
    [
        (timedelta(seconds=30), SECOND, 30),
        (timedelta(hours=1), MINUTE, 60),
        (timedelta(hours=1, seconds=1), 5 * MINUTE, 13),
        (timedelta(hours=24), 30 * MINUTE, 48),
        (timedelta(days=7), 6 * HOUR, 28),
        (timedelta(days=40), DAY, 41),
        (timedelta(days=365 * 50), 364 * DAY, 51),
    ],
)
def test_the_width_is_round_and_the_buckets_are_few(length: timedelta, width: int, buckets: int) -> None:
    found = timeline_of(NOON, NOON + length)
    assert (found.width, found.buckets) == (width, buckets)
    assert found.began % width == 0
    assert found.began <= AT_NOON < found.began + width


def test_each_width_is_made_of_the_one_before() -> None:
    assert all(wide % narrow == 0 for narrow, wide in pairwise(WIDTHS))


@pytest.mark.parametrize("last", [0, 1, 59, 60, 61, 3600 * 60, 10**9, 10**10])
def test_both_ends_are_within(last: int) -> None:
    found = timeline_between(-5 * SECOND, last * SECOND)
    assert found.began <= -5 * SECOND
    assert last * SECOND < found.began + found.buckets * found.width
    assert found.buckets <= MOST_BUCKETS


def test_of_one_moment_it_is_what_was_seen() -> None:
    found = timeline_of(NOON, NOON, [AT_NOON + 9 * SECOND, AT_NOON + 2 * SECOND])
    assert found == Timeline(AT_NOON + 2 * SECOND, SECOND, 8)
    assert timeline_of(NOON, NOON, [AT_NOON], MINUTE).width == MINUTE
    assert timeline_of(NOON, NOON).buckets == 1


def test_counts_are_added_up_and_the_outside_is_the_nearer_end() -> None:
    line = Timeline(10 * MINUTE, 5 * MINUTE, 3)
    counts = {9: 1, 10: 2, 14: 4, 20: 8, 99: 16}
    assert line.spread(counts, MINUTE) == [[0, 7], [2, 24]]
    assert line.spread({}, MINUTE) == []


def test_a_report_says_when_each_class_was_seen() -> None:
    found = report(*[told()] * 3, told(payload=0))
    [of_type] = found["types"]
    # The jobs are of 1970, the time that was asked for is of 2026: they count at its beginning.
    assert [one["over_time"] for one in of_type["classes"]] == [[[0, 1]], [[0, 3]]]
    assert found["timeline"] == {"began": "2026-11-01T00:00:00+00:00", "bucket_seconds": 1800, "buckets": 48}


def test_what_is_counted_over_time_is_all_of_it() -> None:
    tally = counted(*[told()] * 5, told(payload=0), told(starts=1))
    for one in tally.types["count"].classes.values():
        assert one.over_time.total() == one.count
