"""The test for more errors than the control has, which may be looked at after every error.

Each error is a bet on whose it is. Were both systems alike, an error would be the canary's with the
probability `s`, the canary's share of the jobs enqueued at that time; were its rate `r` times the control's,
with `t_r = r s / (r s + 1 - s)`. The product of `t_r / s` over the canary's errors and of
`(1 - t_r) / (1 - s)` over the control's is what a bet on `r` has made of 1. While both are alike such a
product, and so the mean over several `r`, is a martingale: that it ever reaches 20 has a probability of at
most 1 in 20, however often it is looked at (Ville's inequality: Étude critique de la notion de collectif,
1939).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from supaqueue.cutover.statistics import special

RATIOS = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)
"""Semantics, section 7: what is bet on, each with the same stake."""
LIMIT = 20.0
"""Semantics, section 7: what the mean must have grown to; times the number of tests that run side by side."""
LEAST_RATIO = 2.0
"""Semantics, section 7: by more than this the canary's rate must exceed the control's."""
LEAST_ERRORS = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Counts:
    """Jobs of one side, and how many of them are errors; where errors cluster, route keys instead of jobs."""

    jobs: int
    errors: int

    @property
    def rate(self) -> float:
        """Errors per job; 0.0 of none."""
        return self.errors / self.jobs if self.jobs else 0.0


class ErrorTest:
    """What the bets have grown to. Feed it cohort by cohort, in the order of enqueue."""

    def __init__(self) -> None:
        self._logs: Floats = np.zeros(len(RATIOS))

    def add(self, *, canary: int, control: int, share: float) -> None:
        """Take in the errors of jobs that were enqueued at the same time.

        Args:
            canary: errors of those that Supabase owns; `control`: of those that legacy does.
            share: of those jobs, what Supabase owns, from 0 to 1; at either end there is nothing to compare.

        Raises:
            ValueError: a count is negative, or the share is none.
        """
        if canary < 0 or control < 0 or not 0.0 <= share <= 1.0:
            raise ValueError("counts are not negative, and a share lies between 0 and 1")
        won, lost = log_stakes(share)
        self._logs = self._logs + canary * won + control * lost

    @property
    def evidence(self) -> float:
        """The mean of what the bets have grown to; 1.0 at the beginning, infinite beyond 1e308."""
        with np.errstate(over="ignore"):  # infinite is what it is then
            return float(np.exp(log_mean(self._logs)))


def must_roll_back(evidence: float, canary: Counts, control: Counts, *, tests: int = 1) -> bool:
    """Say whether the canary has more than twice the control's errors, beyond what chance explains.

    Args:
        evidence: of `ErrorTest`.
        tests: how many such tests run side by side; each must show so much more.
    """
    return (
        evidence >= LIMIT * tests
        and canary.errors >= LEAST_ERRORS
        and canary.rate > LEAST_RATIO * control.rate
    )


def log_stakes(share: float | Floats) -> tuple[Floats, Floats]:
    """Return the logarithms of what each bet gains by one error of the canary's, and of the control's.

    Args:
        share: one, or an array of them; the bets are the last axis of what is returned. At 0 and 1 one side
            had all jobs: nothing is gained or lost.
    """
    share, ratios = np.asarray(share)[..., None], np.asarray(RATIOS)
    is_shared = (share > 0.0) & (share < 1.0)
    share = np.where(is_shared, share, 0.5)
    expected = ratios * share / (ratios * share + 1.0 - share)
    won = np.where(is_shared, np.log(expected / share), 0.0)
    lost = np.where(is_shared, np.log((1.0 - expected) / (1.0 - share)), 0.0)
    return won, lost


def log_mean(logs: Floats) -> Floats:
    """Return the logarithm of the mean over the last axis, without overflow."""
    mean: Floats = special.logsumexp(logs, axis=-1) - np.log(logs.shape[-1])
    return mean
