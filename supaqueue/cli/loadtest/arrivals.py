"""When jobs are due: fixed beforehand, whatever the system does meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random


def poisson_arrivals(rate: float, duration_seconds: float, seed: int) -> Iterator[float]:
    """Yield when each job is due, in seconds from the start, as a Poisson process of `rate` jobs a second.

    The same seed yields the same times.
    """
    random = Random(seed)  # noqa: S311
    due = random.expovariate(rate)
    while due < duration_seconds:
        yield due
        due += random.expovariate(rate)
