"""What a step must prove of errors and of latencies: that the canary is not worse, beyond chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from supaqueue.cutover.gate.excess_errors import Counts
from supaqueue.cutover.gate.latency_margin import LATENCY_MARGIN_SECONDS, slower_by_margin
from supaqueue.cutover.parity.bounds import CONFIDENCE, upper_bound
from supaqueue.cutover.statistics import stats

LEAST_LATENCIES = 50
"""Values that each side must have."""
SIGNIFICANT = 1.0 - CONFIDENCE
"""What is less likely than this does not count as chance."""
Values = Sequence[float] | NDArray[np.float64]


def highest_ratio(canary: Counts, control: Counts) -> float:
    """Return the highest ratio of error rates that the counts leave possible, with 95 percent confidence.

    Exact, given how many errors there are in all: whose each is goes by the jobs of each side and the ratio
    (Przyborowski and Wilenski, Biometrika 31 (1940), 313-323). Infinite where the control has no errors to
    compare with, or either side has no jobs.
    """
    errors = canary.errors + control.errors
    if not canary.jobs or not control.jobs or not control.errors:
        return np.inf
    share = canary.jobs / (canary.jobs + control.jobs)
    highest = upper_bound(canary.errors, errors)
    return float(highest * (1.0 - share) / (share * (1.0 - highest)))


def latency_p_value(
    canary: Values, control: Values, margin_seconds: float = LATENCY_MARGIN_SECONDS
) -> float | None:
    """Return how likely such latencies are if the canary is slower by the margin; None if too few are known.

    One-sided Mann-Whitney (Annals of Mathematical Statistics 18 (1947), 50-60): each of the control's is
    taken as slower by 10 percent, or by the margin if that is more. Below `SIGNIFICANT` the canary is not
    slower by so much.

    Args:
        canary: seconds; `control`: likewise. Below 50 of either nothing is known.
        margin_seconds: by how much the canary may be slower at least.
    """
    if min(len(canary), len(control)) < LEAST_LATENCIES:
        return None
    slower = slower_by_margin(np.asarray(control, dtype=float), margin_seconds)
    found = stats.mannwhitneyu(np.asarray(canary, dtype=float), slower, alternative="less")
    return float(found.pvalue)


def meets_objective(canary: Counts, objective: float) -> bool:
    """Say whether the canary's error rate is under a type's objective, with 95 percent confidence.

    So a canary without any error can pass, whatever the control has.
    """
    return upper_bound(canary.errors, canary.jobs) < objective
