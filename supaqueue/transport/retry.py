"""When to try again: exponential backoff with full jitter, within a budget."""

from __future__ import annotations

import random
from collections.abc import Callable

FIRST_CEILING_SECONDS = 0.05
LAST_CEILING_SECONDS = 2.0


class RetrySchedule:
    """The pauses between the tries of one call. Pure: the caller tells the time and does the waiting.

    Args:
        budget_seconds: no try starts later than this after the first.
        uniform: draws the jitter.
    """

    def __init__(
        self, budget_seconds: float, uniform: Callable[[float, float], float] = random.uniform
    ) -> None:
        self.budget_seconds = budget_seconds
        self._uniform = uniform
        self._ceiling = FIRST_CEILING_SECONDS

    def next_pause(
        self, elapsed: float, *, at_least: float = 0.0, within: float | None = None
    ) -> float | None:
        """Return how many seconds to wait before the next try, or None if there is to be none.

        Args:
            elapsed: seconds since the first try began.
            at_least: what the server asked for.
            within: a budget narrower than the whole one, for this kind of failure.
        """
        budget = self.budget_seconds if within is None else min(within, self.budget_seconds)
        pause = at_least + self._uniform(0.0, self._ceiling)
        self._ceiling = min(self._ceiling * 2, LAST_CEILING_SECONDS)
        return pause if elapsed + pause < budget else None
