"""Exact bounds of a rate: those that are published, and scipy's own."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from supaqueue.cutover.parity.bounds import jobs_needed, lower_bound, upper_bound


def test_none_in_a_hundred_proves_a_rate_under_2_95_percent() -> None:
    assert f"{upper_bound(0, 100):.4f}" == "0.0295"
    assert lower_bound(0, 100) == 0.0


@pytest.mark.parametrize(("bound", "jobs"), [(0.01, 299), (0.005, 598), (0.001, 2_995), (1e-6, 2_995_731)])
def test_clean_jobs_that_a_bound_takes(bound: float, jobs: int) -> None:
    assert jobs_needed(bound) == jobs == math.ceil(math.log(0.05) / math.log(1 - bound))


@settings(deadline=None)
@given(st.integers(0, 100_000), st.floats(0, 1))
def test_they_are_scipys(of: int, share: float) -> None:
    found = round(of * share)
    exact = stats.binomtest(found, of, alternative="less") if of else None
    high = exact.proportion_ci(0.95, "exact").high if exact else 1.0
    assert upper_bound(found, of) == pytest.approx(high, abs=1e-9)
    low = stats.binomtest(found, of, alternative="greater").proportion_ci(0.95, "exact").low if of else 0.0
    assert lower_bound(found, of) == pytest.approx(low, abs=1e-9)


@settings(deadline=None)
@given(st.integers(0, 500), st.floats(0.0005, 0.9))
def test_jobs_needed_are_the_fewest(found: int, bound: float) -> None:
    needed = jobs_needed(bound, found)
    assert upper_bound(found, needed) <= bound
    assert needed == found + 1 or upper_bound(found, needed - 1) > bound


@pytest.mark.parametrize(("found", "of"), [(-1, 3), (4, 3)])
def test_what_is_no_count_is_refused(found: int, of: int) -> None:
    with pytest.raises(ValueError, match="is no count"):
        upper_bound(found, of)
    with pytest.raises(ValueError, match="is no count"):
        lower_bound(found, of)
