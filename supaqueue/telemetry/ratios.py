"""The four ratios to watch, from counted events."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from supaqueue.telemetry.events import Event, QueueUnavailable

ENQUEUE_UNAVAILABLE = "enqueue_unavailable"
"""Counts jobs whose enqueue got no usable answer, while `queue_unavailable` counts calls of any kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratios:
    """Shares between 0 and 1; None where nothing has happened yet that could be divided by.

    Failed and retried per started can pass 1 for a while when the attempts began before the counting did.
    """

    unavailable_per_enqueue: float | None
    failed_per_started: float | None
    retried_per_started: float | None
    end_to_end_success: float | None


class EventCounts:
    """A hook that counts events by name; safe to call from several threads."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Count `event`."""
        with self._lock:
            self._counts[event.name] += 1
            if isinstance(event, QueueUnavailable):
                self._counts[ENQUEUE_UNAVAILABLE] += event.jobs_not_enqueued

    def snapshot(self) -> dict[str, int]:
        """Return the counts of this moment, by event name, and `enqueue_unavailable`."""
        with self._lock:
            return dict(self._counts)


def ratios(counts: Mapping[str, int]) -> Ratios:
    """Return the four ratios of `counts`, keyed as `EventCounts.snapshot` returns them."""
    unavailable = counts.get(ENQUEUE_UNAVAILABLE, 0)
    started = counts.get("job_started", 0)
    succeeded = counts.get("job_succeeded", 0)
    failed = counts.get("job_failed", 0)
    return Ratios(
        unavailable_per_enqueue=_share(unavailable, counts.get("job_enqueued", 0) + unavailable),
        failed_per_started=_share(failed, started),
        retried_per_started=_share(counts.get("job_retried", 0), started),
        end_to_end_success=_share(succeeded, succeeded + failed),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
