"""When jobs of a class were accepted: a time in at most sixty buckets of a round width."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from supaqueue.contract import Json
from supaqueue.cutover.parity.classes import SECOND

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WIDTHS = (
    *(SECOND, 5 * SECOND, 15 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE),
    *(HOUR, 2 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 7 * DAY, 28 * DAY, 364 * DAY, 3640 * DAY),
)
"""Microseconds; each holds the one before it a whole number of times, so that counts can be added up."""
MOST_BUCKETS = 60


@dataclass(frozen=True, slots=True)
class Timeline:
    """Buckets side by side; times are microseconds since 1970.

    Attributes:
        began: where the first one begins, a multiple of `width`.
        buckets: how many there are.
    """

    began: int
    width: int
    buckets: int

    def spread(self, counts: Mapping[int, int], width: int) -> list[Json]:
        """Return [bucket, jobs] of those with jobs, from counts by time // `width`, which is no wider.

        What lies outside, since one system accepted it a moment earlier or later, counts at the nearer end.
        """
        jobs: Counter[int] = Counter()
        for place, count in counts.items():
            bucket = (place * width - self.began) // self.width
            jobs[min(max(bucket, 0), self.buckets - 1)] += count
        return [[bucket, count] for bucket, count in sorted(jobs.items())]


def timeline_between(first: int, last: int, narrowest: int = SECOND) -> Timeline:
    """Return the timeline of the narrowest width that has both times in it."""
    for width in WIDTHS[WIDTHS.index(narrowest) :]:
        buckets = last // width - first // width + 1
        if buckets <= MOST_BUCKETS:
            break
    return Timeline(first // width * width, width, min(buckets, MOST_BUCKETS))


def timeline_of(
    since: datetime, until: datetime, seen: Iterable[int] = (), counted_by: int = SECOND
) -> Timeline:
    """Return the timeline from `since` to `until`; where they are one moment, that of what was seen.

    Args:
        seen: when the jobs were accepted, the first and the last of each class at least.
        counted_by: the width by which they were counted; the timeline's is none narrower.
    """
    if until > since:
        # What is accepted at `until` itself is not asked for.
        return timeline_between(_microseconds(since), _microseconds(until) - 1, counted_by)
    times = sorted(seen) or [_microseconds(since)]
    return timeline_between(times[0], times[-1], counted_by)


def _microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
