"""The test for a backlog that grows: all of three signs, so that a burst which drains is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from supaqueue.contract import Json
from supaqueue.cutover.statistics import stats

MINUTES = 15
"""Semantics, section 7: how long is looked at,"""
FALLING_BEHIND = 12
"""in how many of these minutes less was completed than came,"""
TREND = 0.01
"""how unlikely a rise of the oldest waiting age must be by chance,"""
TIMES_THE_CONTROL = 3.0
"""and how many times the control's it must be."""


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute of a queue, without what is paused, blocked or limited.

    Attributes:
        arrivals: jobs that became ready; `completions`: jobs that ended.
        oldest_seconds: how long the oldest one had waited at its end; 0.0 if none did.
    """

    arrivals: int
    completions: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Backlog:
    """What the last minutes show. `rising` is the p-value of a trend upwards; None: too few minutes."""

    falling_behind: int
    rising: float | None
    oldest_seconds: float
    limit_seconds: float | None

    @property
    def is_rising(self) -> bool:
        """Whether the oldest waiting age rises, beyond chance."""
        return self.rising is not None and self.rising < TREND

    @property
    def is_growing(self) -> bool:
        """Whether all three signs are there."""
        return (
            self.falling_behind >= FALLING_BEHIND
            and self.is_rising
            and self.limit_seconds is not None
            and self.oldest_seconds > self.limit_seconds
        )

    @property
    def figures(self) -> dict[str, Json]:
        """What a condition shows of it."""
        return {
            "falling_behind": self.falling_behind,
            "rising_p_value": self.rising,
            "oldest_seconds": self.oldest_seconds,
            "limit_seconds": self.limit_seconds,
        }


def backlog_of(
    minutes: Sequence[Minute],
    *,
    control_oldest_seconds: float | None = None,
    objective_seconds: float | None = None,
) -> Backlog:
    """Return what the last quarter of an hour shows.

    The trend is Mann and Kendall's test (Mann, Econometrica 13 (1945), 245-259): Kendall's tau of age against
    time, one-sided.

    Args:
        minutes: whole ones, the latest last; fewer than 15 say nothing of a trend.
        control_oldest_seconds: the age of the control's oldest one; `objective_seconds`: the highest that the
            type is to have. The higher of three times the first, and the second, is the limit; without both
            there is none, and nothing counts as growing.
    """
    last = minutes[-MINUTES:]
    limits = [TIMES_THE_CONTROL * one for one in (control_oldest_seconds,) if one is not None]
    limits += [objective_seconds] if objective_seconds is not None else []
    return Backlog(
        sum(one.completions < one.arrivals for one in last),
        _trend([one.oldest_seconds for one in last]) if len(last) == MINUTES else None,
        last[-1].oldest_seconds if last else 0.0,
        max(limits, default=None),
    )


def _trend(values: Sequence[float]) -> float:
    if min(values) == max(values):
        return 1.0
    found = stats.kendalltau(range(len(values)), values, alternative="greater")
    return float(found.pvalue)
