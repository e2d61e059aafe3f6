"""A backlog that grows, and those that do not."""

from __future__ import annotations

import pytest

from supaqueue.cutover.gate.growing_backlog import Minute, backlog_of


def minutes(*oldest: float, arrivals: int = 100, completions: int = 90) -> list[Minute]:
    return [Minute(arrivals, completions, one) for one in oldest]


GROWING = [float(10 * n) for n in range(1, 16)]


def test_all_three_signs() -> None:
    found = backlog_of(minutes(*GROWING), control_oldest_seconds=5.0)
    assert found.is_growing
    assert (found.falling_behind, found.oldest_seconds, found.limit_seconds) == (15, 150.0, 15.0)
    assert found.rising is not None
    assert found.rising < 1e-6


def test_a_burst_that_drains_is_none() -> None:
    rise, fall = [30.0 * n for n in range(1, 6)], [150.0 - 14 * n for n in range(10)]
    burst = [Minute(1_000, 300, one) for one in rise] + [Minute(100, 300, one) for one in fall]
    found = backlog_of(burst, control_oldest_seconds=1.0)
    assert not found.is_growing
    assert found.falling_behind == 5


def test_workers_that_keep_up_are_none_whatever_the_age() -> None:
    assert not backlog_of(minutes(*GROWING, completions=100), control_oldest_seconds=1.0).is_growing


def test_eleven_minutes_behind_are_too_few() -> None:
    behind = minutes(*GROWING[:11]) + minutes(*GROWING[11:], completions=100)
    assert not backlog_of(behind, control_oldest_seconds=1.0).is_growing


def test_a_control_that_is_as_bad_is_no_reason() -> None:
    assert not backlog_of(minutes(*GROWING), control_oldest_seconds=60.0).is_growing


def test_an_objective_that_is_met_is_no_reason() -> None:
    assert not backlog_of(minutes(*GROWING), control_oldest_seconds=1.0, objective_seconds=600.0).is_growing
    assert backlog_of(minutes(*GROWING), objective_seconds=100.0).is_growing


@pytest.mark.parametrize("given", [[], GROWING[:14]])
def test_too_few_minutes_say_nothing(given: list[float]) -> None:
    found = backlog_of(minutes(*given), control_oldest_seconds=0.0)
    assert found.rising is None
    assert not found.is_growing


def test_with_nothing_to_hold_it_against_nothing_grows() -> None:
    assert backlog_of(minutes(*GROWING)).limit_seconds is None
    assert not backlog_of(minutes(*GROWING)).is_growing


def test_an_age_that_stands_still_does_not_rise() -> None:
    found = backlog_of(minutes(*[60.0] * 15), control_oldest_seconds=1.0)
    assert found.rising == 1.0


def test_only_the_last_quarter_of_an_hour_counts() -> None:
    before = minutes(*[0.0] * 30, completions=100)
    assert backlog_of(before + minutes(*GROWING), control_oldest_seconds=1.0).is_growing
    assert not backlog_of(minutes(*GROWING) + before, control_oldest_seconds=1.0).is_growing
