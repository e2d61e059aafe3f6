"""How far another machine's clock is from this one's."""

from __future__ import annotations

from math import inf

GRAIN_SECONDS = 0.001
"""Some clocks tell no less than a millisecond."""


class OtherClock:
    """Learns from moments of the other clock that are known to lie between two of this one's.

    Each narrows the difference down; the shortest round trip counts. Where a new one contradicts what was
    learnt, a clock was moved: it begins anew.
    """

    def __init__(self) -> None:
        self._least, self._most = -inf, inf

    @property
    def error_seconds(self) -> float:
        """How wrong `here` may be at most; infinite before anything was seen."""
        return (self._most - self._least) / 2

    def saw(self, before: float, there: float, after: float) -> None:
        """Take note of a moment `there` that lies between two here."""
        least, most = before - there - GRAIN_SECONDS, after - there + GRAIN_SECONDS
        if max(least, self._least) > min(most, self._most):
            self._least, self._most = least, most
        else:
            self._least, self._most = max(least, self._least), min(most, self._most)

    def here(self, there: float) -> float:
        """Return what this machine's clock said at a moment of the other's."""
        return there + (self._least + self._most) / 2
