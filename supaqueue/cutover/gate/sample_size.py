"""How many jobs a step needs before it is judged: declared when it begins, and not looked for afterwards.

A bound that is tested again and again is met by chance sooner or later: a system exactly at the limit would
pass in a quarter of all rollouts. Decided once, at a number of jobs that was fixed before, it passes in at
most 5 percent.
"""

from __future__ import annotations

from supaqueue.cutover.parity.bounds import jobs_needed, upper_bound
from supaqueue.cutover.statistics import stats

POWER = 0.9
"""How likely a system at the rate seen so far is to pass."""
MOST_JOBS = 10_000_000


def jobs_to_declare(bound: float, seen_rate: float = 0.0) -> int | None:
    """Return the fewest jobs at which a system with this rate of differences proves the bound, 9 times in 10.

    Args:
        bound: the rate to be ruled out, between 0 and 1.
        seen_rate: the rate of differences seen before the step.

    Returns:
        None if no number of jobs up to ten million does: the rate seen is too near the bound, or above it.

    Raises:
        ValueError: `bound` is not between 0 and 1.
    """
    if seen_rate >= bound:
        jobs_needed(bound)  # refuses what is no bound
        return None
    allowed = 0
    while True:
        jobs = jobs_needed(bound, allowed)
        if jobs > MOST_JOBS:
            return None
        if stats.binom.cdf(allowed, jobs, seen_rate) >= POWER:
            return jobs
        allowed += max(1, allowed // 20)


def is_proven(different: int, of: int, bound: float) -> bool:
    """Say whether the rate of differences is at most the bound, with 95 percent confidence.

    To be asked once, of the first so many jobs as were declared.
    """
    return upper_bound(different, of) <= bound
