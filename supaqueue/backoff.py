"""How long each retry waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from supaqueue.errors import InvalidInput

LONGEST_SECONDS = timedelta(days=30).total_seconds()
LARGEST_FACTOR = 100.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with a cap and full jitter; the database computes it.

    The n-th retry waits a random part of `min(max_delay, delay * factor ** (n - 1))` seconds, as in
    "Exponential Backoff And Jitter" (M. Brooker, AWS Architecture Blog, 2015); without jitter all of it.

    Attributes:
        delay: seconds before the first retry, 0 to 30 days.
        factor: by how much each following delay grows, 1 to 100.
        max_delay: seconds that no delay exceeds, 0 to 30 days.
        jitter: whether delays are drawn at random, so that what failed together is not retried together.

    Raises:
        InvalidInput: naming the field.
    """

    delay: float = 5.0
    factor: float = 2.0
    max_delay: float = 3600.0
    jitter: bool = True

    def __post_init__(self) -> None:
        _check(self.delay, "delay", 0, LONGEST_SECONDS)
        _check(self.factor, "factor", 1, LARGEST_FACTOR)
        _check(self.max_delay, "max_delay", 0, LONGEST_SECONDS)
        if not isinstance(self.jitter, bool):
            raise InvalidInput(f"must be true or false, not {type(self.jitter).__name__}", field="jitter")

    @classmethod
    def fixed(cls, delay: float) -> Backoff:
        """Return one that waits as long before every retry."""
        return cls(delay=delay, factor=1.0, max_delay=LONGEST_SECONDS, jitter=False)

    def longest(self, retry: int) -> float:
        """Return the most seconds that a retry waits; `retry` counts from 1."""
        try:
            return min(self.max_delay, self.delay * self.factor ** (retry - 1))
        except OverflowError:
            return self.max_delay


def checked_backoff(value: object, *, field: str) -> Backoff | None:
    """Return a backoff as given, or a fixed one made of seconds or of a timedelta.

    Raises:
        InvalidInput: it is neither, or out of range.
    """
    if value is None or isinstance(value, Backoff):
        return value
    seconds: Any = value.total_seconds() if isinstance(value, timedelta) else value
    _check(seconds, field, 0, LONGEST_SECONDS)
    return Backoff.fixed(float(seconds))


def _check(value: object, field: str, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"must be a number, not {type(value).__name__}", field=field)
    if not least <= value <= most:  # NaN is in no range
        raise InvalidInput(f"must be between {least:,.0f} and {most:,.0f}", field=field)
