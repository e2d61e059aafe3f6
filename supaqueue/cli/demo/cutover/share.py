"""Within which bounds the share of jobs that a system owns must lie: exact, by the binomial distribution."""

from __future__ import annotations

import math

CONFIDENCE = 0.999


def share_bound(jobs: int, probability: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the range of shares outside of which each side has at most half of what `confidence` leaves.

    Args:
        jobs: how many were drawn, each independently.
        probability: with which each is owned, 0 to 1.
    """
    if jobs == 0:
        return 0.0, 1.0
    tail = (1.0 - confidence) / 2
    return _lowest(jobs, probability, tail) / jobs, 1.0 - _lowest(jobs, 1.0 - probability, tail) / jobs


def _lowest(jobs: int, probability: float, tail: float) -> int:
    """The largest number with at most `tail` below it."""
    below = 0.0
    for number in range(jobs + 1):
        below += _exactly(number, jobs, probability)
        if below > tail:
            return number
    return jobs


def _exactly(number: int, jobs: int, probability: float) -> float:
    if probability in (0.0, 1.0):
        return float(number == jobs * probability)
    ways = math.lgamma(jobs + 1) - math.lgamma(number + 1) - math.lgamma(jobs - number + 1)
    return math.exp(ways + number * math.log(probability) + (jobs - number) * math.log1p(-probability))
