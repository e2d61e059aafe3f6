"""How long to wait before asking for work again."""

from __future__ import annotations

import random
from dataclasses import dataclass

RECENT_SECONDS = 2.0
"""For so long after the last task the queue counts as busy."""


@dataclass(frozen=True, slots=True)
class Polling:
    """Adaptive polling: quick while tasks keep coming, slow when idle. All values are seconds.

    An idle worker makes at most `1 / idle` claims a second.
    """

    busy: float = 0.02
    idle: float = 0.2

    def pause(self, since_last_task: float, next_due: float | None) -> float:
        """The pause after a claim that found nothing.

        Grows from `busy` to `idle` once nothing has come for a while, and ends early where the database knows
        of a task that becomes due.
        """
        grown = self.busy if since_last_task < RECENT_SECONDS else self.idle
        jittered = grown * random.uniform(1.0, 1.1)  # noqa: S311
        # What is due may be of a type that is not served here: never less than `busy`.
        return jittered if next_due is None else min(jittered, max(next_due, self.busy))


@dataclass(slots=True)
class Pauses:
    """Growing pauses with full jitter between tries that fail (AWS, Exponential Backoff And Jitter, 2015)."""

    first: float = 0.1
    most: float = 5.0
    tries: int = 0

    def next(self) -> float:
        """Seconds until the next try."""
        self.tries += 1
        return random.uniform(0, min(self.most, self.first * 2 ** min(self.tries, 30)))  # noqa: S311

    def reset(self) -> None:
        """Called after a success."""
        self.tries = 0
