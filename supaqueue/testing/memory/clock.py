"""The database's clock, moved by hand."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from supaqueue.contract.moment import check_time
from supaqueue.errors import InvalidInput


class Clock:
    """Stands still until it is advanced. Safe to share between threads.

    Args:
        start: an aware time; by default the present, so that a `run_at` made of the system's clock means what
            it says.

    Raises:
        InvalidInput: `start` has no time zone.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._now = check_time(start, field="start") or datetime.now(UTC)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the present time, in UTC."""
        return self._now

    def advance(self, by: float | timedelta) -> datetime:
        """Move on, `by` seconds or a timedelta, and return the new time.

        Raises:
            InvalidInput: `by` is negative: a clock does not go back.
        """
        step = by if isinstance(by, timedelta) else timedelta(seconds=by)
        if step < timedelta(0):
            raise InvalidInput("must not be negative", field="by")
        with self._lock:
            self._now += step
            return self._now

    def advance_to(self, moment: datetime) -> datetime:
        """Move on to an aware time, or stay where that has passed, and return the time."""
        with self._lock:
            self._now = max(self._now, moment)
            return self._now
