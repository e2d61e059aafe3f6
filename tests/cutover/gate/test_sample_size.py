"""A sample size that is declared before, and what deciding only there is worth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from supaqueue.cutover.gate.sample_size import is_proven, jobs_to_declare

STEPS = 2_000


@pytest.mark.parametrize(("bound", "jobs"), [(0.01, 299), (0.005, 598), (0.001, 2995)])
def test_without_differences_it_is_the_published_number(bound: float, jobs: int) -> None:
    assert jobs_to_declare(bound) == jobs
    assert is_proven(0, jobs, bound)
    assert not is_proven(0, jobs - 1, bound)


@pytest.mark.parametrize("bound", [0.01, 0.005, 0.001])
@pytest.mark.parametrize("seen_of_bound", [0.0, 0.25, 0.5])
def test_a_system_exactly_at_the_limit_passes_in_at_most_five_percent(
    bound: float, seen_of_bound: float
) -> None:
    jobs = jobs_to_declare(bound, bound * seen_of_bound)
    assert jobs is not None
    drawn = np.random.default_rng(11).binomial(jobs, bound, STEPS)
    passed = sum(is_proven(int(different), jobs, bound) for different in drawn)
    # Exactly 5 percent at most; 2,000 steps of that stay below 6.3 percent but once in 200 times.
    most_by_chance = stats.binom.ppf(0.995, STEPS, 0.05)
    assert passed <= most_by_chance
    allowed = max(different for different in range(jobs) if is_proven(different, jobs, bound))
    assert stats.binom.cdf(allowed, jobs, bound) <= 0.05


@pytest.mark.parametrize("seen", [0.0, 0.001, 0.0025, 0.005])
def test_a_system_at_the_rate_seen_passes_nine_times_in_ten(seen: float) -> None:
    jobs = jobs_to_declare(0.01, seen)
    assert jobs is not None
    allowed = max(different for different in range(jobs) if is_proven(different, jobs, 0.01))
    assert stats.binom.cdf(allowed, jobs, seen) >= 0.9


def test_a_rate_at_the_bound_or_too_near_is_never_enough() -> None:
    assert jobs_to_declare(0.01, 0.01) is None
    assert jobs_to_declare(0.01, 0.0099999) is None
    with pytest.raises(ValueError, match="between 0 and 1"):
        jobs_to_declare(1.0, 2.0)
