"""What came and went in each of the last minutes, from what was seen to wait at their ends."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from supaqueue.contract import BacklogSample, BinnedLatencies, TypeBacklog
from supaqueue.cutover.gate.growing_backlog import MINUTES, Minute
from supaqueue.cutover.gate.settle_windows import seconds_of

NOTHING = TypeBacklog(True, 0, 0.0, 0, 0, 0.0)
MOST_SECONDS_APART = 120.0
"""Two samples of one minute and the next; further apart lies a gap."""
NEARLY_ALL = 0.99


def minutes_of(samples: Sequence[BacklogSample], task_type: str) -> tuple[Minute, ...]:
    """Return the last minutes of what Supabase owns, without what came before a gap.

    While the flag held the type back there is a gap too. What was completed is what came less what there is
    more of; what became due later than it came counts as it comes, and as it becomes due.

    Args:
        samples: oldest first.
    """
    found: list[Minute] = []
    for before, after in pairwise(samples):
        was, is_now = (one.types.get(task_type, NOTHING) for one in (before, after))
        if not (was.is_open and is_now.is_open) or not _are_adjacent(before, after):
            found = []
        else:
            found.append(_minute(was, is_now))
    return tuple(found)


def control_oldest_seconds(
    samples: Sequence[BacklogSample], task_type: str, recent: BinnedLatencies | None
) -> float | None:
    """Return how old the control's jobs became, but for one percent: those that ended, and those that wait.

    Args:
        samples: oldest first; of the last quarter of an hour the worst counts.
        recent: how long jobs took that ended lately.
    """
    waited = [one.types.get(task_type, NOTHING).control_oldest_seconds for one in samples[-MINUTES:]]
    took = seconds_of(recent.control, NEARLY_ALL) if recent is not None else None
    oldest = max([*waited, took or 0.0], default=0.0)
    return oldest or None


def _are_adjacent(before: BacklogSample, after: BacklogSample) -> bool:
    return after.minute == before.minute + 1 and after.sampled_at - before.sampled_at < MOST_SECONDS_APART


def _minute(before: TypeBacklog, after: TypeBacklog) -> Minute:
    grown = after.unfinished - before.unfinished
    arrivals = max(after.canary_arrivals, grown)
    return Minute(arrivals, arrivals - grown, after.oldest_seconds)
