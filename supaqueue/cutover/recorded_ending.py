"""What to tell the broker of a message whose job has ended already: a worker died before it could."""

from __future__ import annotations

from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.guard import Guard
from supaqueue.cutover.legacy.entry import Ending
from supaqueue.cutover.stamp import Stamp


def recorded_ending(guard: Guard, stamp: Stamp | None) -> Ending | None:
    """Return how the job of a dropped message ended under its epoch; None if nothing is known of that."""
    if stamp is None:
        return None
    try:
        [entry] = guard.index.get([stamp.job_id])
    except LegacyUnavailable:
        return None
    return entry.ending if entry is not None and entry.epoch == stamp.epoch else None
