"""Whether it is worth asking a system whose answer one can do without, and for how long. Pure."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

SHORTEST_BUDGET_SECONDS = 0.06
WITHOUT_ANSWER_SECONDS = 0.01
"""The part of a budget that is left for what is to be done when no answer came."""
LONGEST_BUDGET_SECONDS = 0.5
USUAL_TIMES = 3.0
MISSES = 3
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
_WEIGHT = 0.1


class Breaker:
    """Gives each try a budget of three times what answers usually take; none while it is open.

    A budget is by how much the try may hold up the caller, with what is to be done if there is no answer.

    It opens at the third miss in a row. After a pause, which doubles with every further miss, one try is let
    through; its answer closes it. Safe to share between threads.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._usual = 0.0
        self._misses = 0
        self._closed_until_tried = float("-inf")

    def answer_within(self) -> float | None:
        """Return the seconds to wait for an answer, somewhat less than the budget; None: do not try."""
        budget = self.budget()
        return None if budget is None else budget - WITHOUT_ANSWER_SECONDS

    def budget(self) -> float | None:
        """Return the seconds that a try may cost; None: do not try."""
        with self._lock:
            if self._misses >= MISSES:
                now = self._clock()
                if now < self._closed_until_tried:
                    return None
                self._closed_until_tried = now + self._pause()  # one try; the others wait for what it tells
            return min(max(SHORTEST_BUDGET_SECONDS, USUAL_TIMES * self._usual), LONGEST_BUDGET_SECONDS)

    def answered(self, seconds: float) -> None:
        """Note an answer, and what it took."""
        with self._lock:
            self._usual += _WEIGHT * (seconds - self._usual) if self._usual else seconds
            self._misses = 0

    def missed(self) -> None:
        """Note that there was none."""
        with self._lock:
            self._misses += 1
            if self._misses >= MISSES:
                self._closed_until_tried = self._clock() + self._pause()

    def _pause(self) -> float:
        return float(min(FIRST_PAUSE_SECONDS * 2 ** min(self._misses - MISSES, 10), LONGEST_PAUSE_SECONDS))
