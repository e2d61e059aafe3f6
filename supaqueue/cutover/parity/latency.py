"""How long jobs took in each system, from when they could run to their end."""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from supaqueue.contract import Json
from supaqueue.cutover.legacy.entry import Owner
from supaqueue.cutover.parity.classes import SECOND, due
from supaqueue.cutover.parity.observation import OVER, Observation

SHORTEST_SETTLE_SECONDS = 60.0
LONGEST_SETTLE_SECONDS = 86_400.0
SETTLE_FACTOR = 3.0
"""How many times longer than `SETTLE_SHARE` of its type's jobs a job may take."""
SETTLE_SHARE = 0.99

SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
EDGES = tuple(digit * 10.0**power for power in range(-3, 6) for digit in (1, 2, 5))
"""Upper edges of a histogram's bins, in seconds: 1, 2, 5 of each decade, from 1 ms to nearly 6 days."""

Seconds: TypeAlias = "dict[tuple[str, Owner], array[float]]"
"""By task type and system; a million are 8 MB."""


_NONE: array[float] = array("d")


def _nothing() -> Seconds:
    return defaultdict(lambda: array("d"))


@dataclass(frozen=True, slots=True)
class Took:
    """How long jobs took.

    Attributes:
        once: those that were started once, from when they could run.
        again: those that were started several times, from when they were stored: in Supabase a retry is due
            anew, and when its job first was is not known any more. Only windows are made of these.
    """

    once: Seconds = field(default_factory=_nothing)
    again: Seconds = field(default_factory=_nothing)


def note(took: Took, one: Observation) -> None:
    """Note how long a job took that ended in the system that this observation is from."""
    ended_at = one.outcome and one.outcome.ended_at
    if one.state in OVER and one.task_type is not None and ended_at is not None:
        kept, since = (took.once, due(one)) if one.starts <= 1 else (took.again, one.accepted_at)
        # Two clocks that differ a little must not make it negative.
        kept[one.task_type, one.owner].append(max(0.0, (ended_at - since) / SECOND))


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value that `share` of them do not exceed; by rank, so that it is one of them."""
    rank = math.ceil(share * len(ordered) - 1e-9)  # 0.95 of 100 is a little over 95 in binary
    return ordered[max(rank, 1) - 1]


def latencies(took: Took, task_type: str | None) -> dict[str, Json]:
    """Return, by system, count, quantiles and maximum in seconds, and the histogram as [edge, jobs].

    Of jobs that were started once: a backoff is nobody's latency.
    """
    systems: tuple[Owner, ...] = ("legacy", "supabase")
    return {
        system: _summary(took.once[task_type, system])
        for system in systems
        if task_type is not None and (task_type, system) in took.once
    }


def settle_windows(took: Took) -> Mapping[str, float]:
    """Return, by type, in how many seconds its two records have to agree; the slower system counts."""
    windows: dict[str, float] = {}
    for task_type, system in sorted(took.once.keys() | took.again.keys()):
        seconds = took.once.get((task_type, system), _NONE) + took.again.get((task_type, system), _NONE)
        usual = SETTLE_FACTOR * quantile(sorted(seconds), SETTLE_SHARE)
        window = min(max(usual, SHORTEST_SETTLE_SECONDS), LONGEST_SETTLE_SECONDS)
        windows[task_type] = max(window, windows.get(task_type, 0.0))
    return windows


def _summary(seconds: array[float]) -> Json:
    ordered = sorted(seconds)
    found: dict[str, Json] = {name: quantile(ordered, share) for name, share in SHARES.items()}
    return {"jobs": len(ordered), **found, "max": ordered[-1], "histogram": _histogram(ordered)}


def _histogram(ordered: Sequence[float]) -> list[Json]:
    """Count by bin, those without jobs left out; None is the edge of what lies beyond the last."""
    counts: list[Json] = []
    place = 0
    for edge in EDGES:
        begun = place
        while place < len(ordered) and ordered[place] <= edge:
            place += 1
        if place > begun:
            counts.append([edge, place - begun])
    if place < len(ordered):
        counts.append([None, len(ordered) - place])
    return counts
