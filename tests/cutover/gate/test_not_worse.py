"""That the canary is not worse, beyond chance: bounds that hold, and tests that notice."""

from __future__ import annotations

import math

import numpy as np
import pytest

from supaqueue.cutover.gate.excess_errors import Counts
from supaqueue.cutover.gate.not_worse import SIGNIFICANT, highest_ratio, latency_p_value, meets_objective


@pytest.fixture
def chance() -> np.random.Generator:
    return np.random.default_rng(5)


def test_the_bound_of_a_ratio_misses_the_true_one_in_at_most_five_percent(
    chance: np.random.Generator,
) -> None:
    missed = 0
    for _ in range(2_000):
        canary = Counts(1_000, int(chance.binomial(1_000, 0.03)))
        control = Counts(9_000, int(chance.binomial(9_000, 0.02)))
        missed += highest_ratio(canary, control) < 1.5
    assert missed <= 130  # 5 percent, and three standard deviations of chance


def test_more_jobs_narrow_it() -> None:
    few, many = (highest_ratio(Counts(100 * n, n), Counts(900 * n, 9 * n)) for n in (5, 500))
    assert 1.0 < many < 1.2 < few


@pytest.mark.parametrize(
    ("canary", "control"),
    [(Counts(0, 0), Counts(9, 1)), (Counts(9, 1), Counts(0, 0)), (Counts(9, 0), Counts(9, 0))],
)
def test_with_nothing_to_compare_nothing_is_ruled_out(canary: Counts, control: Counts) -> None:
    assert highest_ratio(canary, control) == math.inf


def test_a_canary_without_any_error_can_pass() -> None:
    assert meets_objective(Counts(300, 0), 0.01)
    assert not meets_objective(Counts(298, 0), 0.01)
    assert not meets_objective(Counts(0, 0), 0.01)


def seconds(chance: np.random.Generator, scale: float, jobs: int = 400) -> list[float]:
    return list(chance.lognormal(math.log(scale), 0.5, jobs))


def test_latencies_alike_are_shown_to_be_not_slower_and_slower_ones_are_not(
    chance: np.random.Generator,
) -> None:
    alike = [latency_p_value(seconds(chance, 0.2), seconds(chance, 0.2)) for _ in range(50)]
    assert all(p is not None and p < SIGNIFICANT for p in alike)
    slower = [latency_p_value(seconds(chance, 0.3), seconds(chance, 0.2)) for _ in range(50)]
    assert not any(p is not None and p < SIGNIFICANT for p in slower)


def test_at_the_margin_it_passes_in_at_most_five_percent(chance: np.random.Generator) -> None:
    passed = 0
    for _ in range(1_000):
        p = latency_p_value(seconds(chance, 11.0, 60), seconds(chance, 10.0, 60))
        passed += p is not None and p < SIGNIFICANT
    assert passed <= 72  # 5 percent, and three standard deviations of chance


def test_fifty_milliseconds_are_always_allowed() -> None:
    p = latency_p_value([0.041 + n * 1e-6 for n in range(60)], [0.001 + n * 1e-6 for n in range(60)])
    assert p is not None
    assert p < SIGNIFICANT


def test_a_type_may_be_allowed_more(chance: np.random.Generator) -> None:
    canary, control = seconds(chance, 0.4), seconds(chance, 0.2)
    strict, lenient = latency_p_value(canary, control), latency_p_value(canary, control, 0.5)
    assert strict is not None
    assert lenient is not None
    assert strict > SIGNIFICANT > lenient


def test_too_few_latencies_say_nothing(chance: np.random.Generator) -> None:
    assert latency_p_value(seconds(chance, 0.2, 49), seconds(chance, 0.2, 500)) is None
    assert latency_p_value(seconds(chance, 0.2, 500), []) is None
