"""How long a system that one can do without is asked, and when it is not asked at all."""

from __future__ import annotations

import pytest

from supaqueue.cutover.breaker import (
    FIRST_PAUSE_SECONDS,
    LONGEST_BUDGET_SECONDS,
    LONGEST_PAUSE_SECONDS,
    MISSES,
    SHORTEST_BUDGET_SECONDS,
    WITHOUT_ANSWER_SECONDS,
    Breaker,
)


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def breaker(time: Time) -> Breaker:
    return Breaker(time)


def test_the_budget_follows_what_answers_take_within_bounds(breaker: Breaker) -> None:
    assert breaker.budget() == SHORTEST_BUDGET_SECONDS
    breaker.answered(0.001)
    assert breaker.budget() == SHORTEST_BUDGET_SECONDS
    for _ in range(100):
        breaker.answered(0.1)
    assert breaker.budget() == pytest.approx(0.3, rel=0.01)
    for _ in range(100):
        breaker.answered(10)
    assert breaker.budget() == LONGEST_BUDGET_SECONDS


def test_part_of_the_budget_is_left_for_what_follows_a_miss(breaker: Breaker) -> None:
    assert breaker.answer_within() == SHORTEST_BUDGET_SECONDS - WITHOUT_ANSWER_SECONDS
    for _ in range(MISSES):
        breaker.missed()
    assert breaker.answer_within() is None


def test_misses_in_a_row_open_it_and_an_answer_starts_the_count_anew(breaker: Breaker) -> None:
    for _ in range(MISSES - 1):
        breaker.missed()
    breaker.answered(0.01)
    for _ in range(MISSES - 1):
        breaker.missed()
        assert breaker.budget() is not None
    breaker.missed()
    assert breaker.budget() is None


def test_after_a_pause_one_try_is_let_through(breaker: Breaker, time: Time) -> None:
    for _ in range(MISSES):
        breaker.missed()
    time.now += FIRST_PAUSE_SECONDS
    assert breaker.budget() is not None
    assert breaker.budget() is None
    breaker.answered(0.01)
    assert breaker.budget() is not None
    assert breaker.budget() is not None


def test_pauses_double_up_to_a_bound(breaker: Breaker, time: Time) -> None:
    pauses = []
    for _ in range(MISSES - 1):
        breaker.missed()
    for _ in range(10):
        breaker.missed()
        begun = time.now
        while breaker.budget() is None:
            time.now += 0.5
        pauses.append(time.now - begun)
    assert pauses[:3] == [1.0, 2.0, 4.0]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS


def test_a_try_that_never_tells_does_not_close_it_for_good(breaker: Breaker, time: Time) -> None:
    for _ in range(MISSES):
        breaker.missed()
    time.now += FIRST_PAUSE_SECONDS
    assert breaker.budget() is not None  # whoever had it died
    time.now += FIRST_PAUSE_SECONDS
    assert breaker.budget() is not None
