"""The test that may be looked at after every error, by hand and against what it promises."""

from __future__ import annotations

import math

import numpy as np
import pytest

from supaqueue.cutover.gate.excess_errors import RATIOS, Counts, ErrorTest, must_roll_back


def by_hand(errors: list[tuple[int, float]]) -> float:
    """What the semantics say, factor by factor; an error is 1 if it is the canary's, then its share."""
    total = 0.0
    for ratio in RATIOS:
        product = 1.0
        for y, s in errors:
            t = ratio * s / (ratio * s + 1 - s)
            product *= (t / s) ** y * ((1 - t) / (1 - s)) ** (1 - y)
        total += product
    return total / len(RATIOS)


def test_it_is_the_formula_of_the_semantics() -> None:
    errors = [(1, 0.1), (0, 0.1), (1, 0.1), (1, 0.5), (0, 0.5), (1, 0.02)]
    test = ErrorTest()
    assert test.evidence == 1.0
    for is_canary, share in errors:
        test.add(canary=is_canary, control=1 - is_canary, share=share)
    assert test.evidence == pytest.approx(by_hand(errors), rel=1e-12)


def test_a_cohort_is_worth_what_its_errors_are_worth_one_by_one() -> None:
    together, apart = ErrorTest(), ErrorTest()
    together.add(canary=3, control=2, share=0.3)
    for canary in (1, 0, 1, 1, 0):
        apart.add(canary=canary, control=1 - canary, share=0.3)
    assert together.evidence == pytest.approx(apart.evidence, rel=1e-12)


def test_a_fair_bet_wins_nothing_on_average() -> None:
    """A martingale: its expectation stays 1 while the canary's errors are as frequent as its share says."""
    for share in (0.01, 0.1, 0.5, 0.9):
        won, lost = ErrorTest(), ErrorTest()
        won.add(canary=1, control=0, share=share)
        lost.add(canary=0, control=1, share=share)
        assert share * won.evidence + (1 - share) * lost.evidence == pytest.approx(1.0, rel=1e-12)


def test_a_million_errors_neither_overflow_nor_vanish() -> None:
    test = ErrorTest()
    test.add(canary=1_000_000, control=0, share=0.1)
    assert test.evidence == math.inf
    test = ErrorTest()
    test.add(canary=0, control=1_000_000, share=0.1)
    assert test.evidence == 0.0
    test.add(canary=0, control=0, share=0.1)
    assert not np.isnan(test.evidence)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_where_one_side_has_all_jobs_nothing_is_learnt(share: float) -> None:
    test = ErrorTest()
    test.add(canary=10, control=10, share=share)
    assert test.evidence == 1.0


@pytest.mark.parametrize(
    ("canary", "control", "share"), [(-1, 0, 0.1), (0, -1, 0.1), (1, 1, 1.1), (1, 1, -0.1)]
)
def test_what_is_no_count_is_refused(canary: int, control: int, share: float) -> None:
    with pytest.raises(ValueError, match="not negative"):
        ErrorTest().add(canary=canary, control=control, share=share)


@pytest.mark.parametrize(
    ("evidence", "canary", "control", "tests", "expected"),
    [
        (20.0, Counts(100, 5), Counts(900, 5), 1, True),
        (19.9, Counts(100, 5), Counts(900, 5), 1, False),
        (20.0, Counts(100, 5), Counts(900, 5), 2, False),
        (40.0, Counts(100, 5), Counts(900, 5), 2, True),
        (20.0, Counts(100, 4), Counts(900, 1), 1, False),
        (20.0, Counts(100, 6), Counts(900, 27), 1, False),  # exactly twice
        (20.0, Counts(100, 7), Counts(900, 27), 1, True),
        (20.0, Counts(100, 5), Counts(0, 0), 1, True),
        (20.0, Counts(0, 0), Counts(900, 27), 1, False),
    ],
)
def test_all_three_conditions_must_hold(
    evidence: float, canary: Counts, control: Counts, tests: int, expected: bool
) -> None:
    assert must_roll_back(evidence, canary, control, tests=tests) is expected
