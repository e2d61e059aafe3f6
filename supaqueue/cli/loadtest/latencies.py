"""Durations as a histogram: as many as there are, in the memory of a few."""

from __future__ import annotations

from hdrh.histogram import HdrHistogram

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)
LONGEST_SECONDS = 86_400
_MICROSECONDS = 1_000_000


class Latencies:
    """Durations, of which any percentile can be asked; right to three digits, from a microsecond to a day."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, LONGEST_SECONDS * _MICROSECONDS, 3)

    def __len__(self) -> int:
        return int(self._histogram.total_count)

    def add(self, seconds: float) -> None:
        """Take note of one; what lies out of the range counts as its nearest end."""
        self._histogram.record_value(round(min(max(seconds, 0.0), LONGEST_SECONDS) * _MICROSECONDS))

    def seconds_at(self, percentile: float) -> float | None:
        """Return what so many percent do not exceed; None of none."""
        if not len(self):
            return None
        return float(self._histogram.get_value_at_percentile(percentile)) / _MICROSECONDS

    def milliseconds(self) -> dict[str, float | None]:
        """Return the percentiles that are told, by name, and the longest as `max`."""
        named = {f"p{one:g}": self.seconds_at(one) for one in PERCENTILES} | {"max": self.seconds_at(100)}
        return {name: None if one is None else round(one * 1000, 3) for name, one in named.items()}
