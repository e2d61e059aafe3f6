"""What happened when: a slice for each second, and wider ones where a run is long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hdrh.histogram import HdrHistogram

MOST_SLICES = 600
_LONGEST_MILLISECONDS = 86_400_000


def _milliseconds() -> Any:
    return HdrHistogram(1, _LONGEST_MILLISECONDS, 2)


@dataclass(slots=True)
class Slice:
    """A stretch of a run.

    Attributes:
        due, late, refused: jobs that were due in it, those that missed the objective, and were refused.
        accepted, ended: jobs whose enqueue was answered in it, and that ended in it.
        finish: milliseconds from due to finish, of jobs due in it.
        waiting, running, oldest_seconds: the most of the queue's tasks that were seen to wait and to run, and
            how long the oldest had waited; None if nobody looked.
    """

    due: int = 0
    late: int = 0
    refused: int = 0
    accepted: int = 0
    ended: int = 0
    finish: Any = field(default_factory=_milliseconds)
    waiting: int | None = None
    running: int | None = None
    oldest_seconds: float | None = None

    def saw(self, waiting: int | None, running: int | None, oldest_seconds: float | None) -> None:
        """Take note of a look at the queue."""
        self.waiting = _larger(self.waiting, waiting)
        self.running = _larger(self.running, running)
        self.oldest_seconds = _larger(self.oldest_seconds, oldest_seconds)

    def finished(self, seconds: float) -> None:
        """Take note of a job due in it that has finished so long after."""
        self.finish.record_value(round(min(max(seconds * 1000, 0.0), _LONGEST_MILLISECONDS)))

    def finish_at(self, percentile: float) -> float | None:
        """Return what so many percent of `finish` do not exceed, in milliseconds."""
        return float(self.finish.get_value_at_percentile(percentile)) if self.finish.total_count else None

    def add(self, other: Slice) -> None:
        """Take in another one."""
        for name in ("due", "late", "refused", "accepted", "ended"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.finish.add(other.finish)
        self.saw(other.waiting, other.running, other.oldest_seconds)


class Timeline:
    """The slices of a run, never more than `MOST_SLICES`: once they would be, two become one."""

    def __init__(self) -> None:
        self.slice_seconds = 1.0
        self._slices: dict[int, Slice] = {}

    def at(self, seconds: float) -> Slice:
        """Return the slice of a moment, in seconds from the start."""
        while seconds >= MOST_SLICES * self.slice_seconds:
            self._widen()
        return self._slices.setdefault(int(max(seconds, 0.0) / self.slice_seconds), Slice())

    def in_order(self) -> Iterator[tuple[float, Slice]]:
        """Yield each slice with the second at which it begins, those in which nothing happened too."""
        for place in range(max(self._slices, default=-1) + 1):
            yield place * self.slice_seconds, self._slices.get(place) or Slice()

    def _widen(self) -> None:
        self.slice_seconds *= 2
        narrow, self._slices = self._slices, {}
        for place, one in sorted(narrow.items()):
            self._slices.setdefault(place // 2, Slice()).add(one)


def _larger(one: Any, other: Any) -> Any:
    return max((value for value in (one, other) if value is not None), default=None)
