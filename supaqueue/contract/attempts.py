"""How attempts are made: how many, how long each may take, how long each retry waits."""

from __future__ import annotations

import math
from datetime import timedelta

from supaqueue.backoff import Backoff
from supaqueue.contract.json_value import Json
from supaqueue.errors import InvalidInput

MAX_ATTEMPTS = 1000
LONGEST_TIMEOUT = timedelta(days=30).total_seconds()
SHORTEST_SECONDS = 0.001


def checked_seconds(value: object, field: str, longest: float, shortest: float = 0.0) -> float | None:
    """Return seconds as given, or those of a timedelta; None stays None.

    Raises:
        InvalidInput: it is neither, or out of range.
    """
    if value is None:
        return None
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"must be seconds or a timedelta, not {type(value).__name__}", field=field)
    if not (math.isfinite(value) and shortest <= value <= longest):
        raise InvalidInput(f"must be between {shortest:g} and {longest:,.0f} seconds", field=field)
    return float(value)


def checked_timeout(value: object) -> float | None:
    """Return the seconds that one attempt may take, as `checked_seconds` does."""
    return checked_seconds(value, "timeout", LONGEST_TIMEOUT, SHORTEST_SECONDS)


def checked_attempts(value: object) -> int | None:
    """Return a number of attempts as given; None stays None.

    Raises:
        InvalidInput: it is no whole number, or out of range.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_ATTEMPTS:
        raise InvalidInput(f"must be a whole number from 1 to {MAX_ATTEMPTS:,}", field="max_attempts")
    return value


def backoff_row(backoff: Backoff | None) -> dict[str, Json]:
    """Return a backoff as SQL takes it; None leaves the choice to the task type."""
    if backoff is None:
        return {}
    return {
        "retry_delay_seconds": float(backoff.delay),
        "retry_factor": float(backoff.factor),
        "retry_max_delay_seconds": float(backoff.max_delay),
        "retry_jitter": backoff.jitter,
    }
