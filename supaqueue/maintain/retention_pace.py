"""How fast jobs are removed: so that the queue's own work hardly feels it. Pure, no waiting in here."""

from __future__ import annotations

from supaqueue.errors import ConfigurationError

BATCH_SECONDS = 0.25
"""What a batch should take: longer ones get smaller, shorter ones larger."""

SMALLEST_BATCH = 20


class Pace:
    """Says how large the next batch may be, and how long to rest before it.

    Args:
        share: the part of the time in which to work, above 0 and up to 1.
        max_batch: the most jobs in one batch, 1 to 10,000.

    Raises:
        ConfigurationError: a number makes no sense.
    """

    def __init__(self, share: float, max_batch: int) -> None:
        if not 0 < share <= 1:
            raise ConfigurationError("share: give a number above 0 and up to 1, for example 0.2")
        if not 1 <= max_batch <= 10_000:
            raise ConfigurationError("max_batch: give 1 to 10000")
        self._share = share
        self._max_batch = max_batch
        self.batch = min(max_batch, 200)

    def rest_after(self, seconds: float) -> float:
        """Return how many seconds to rest after a batch that took so long; sets the size of the next one."""
        factor = min(2.0, max(0.25, BATCH_SECONDS / max(seconds, 1e-6)))
        self.batch = min(self._max_batch, max(SMALLEST_BATCH, int(self.batch * factor)))
        return seconds * (1 / self._share - 1)
