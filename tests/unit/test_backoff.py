"""A backoff: what is refused names the field; what each retry waits at most."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from supaqueue.backoff import LONGEST_SECONDS, Backoff, checked_backoff
from supaqueue.errors import InvalidInput

NAN = float("nan")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"delay": -1}, "delay"),
        ({"delay": LONGEST_SECONDS + 1}, "delay"),
        ({"delay": NAN}, "delay"),
        ({"delay": True}, "delay"),
        ({"delay": "5"}, "delay"),
        ({"factor": 0.9}, "factor"),
        ({"factor": 101}, "factor"),
        ({"factor": NAN}, "factor"),
        ({"max_delay": -1}, "max_delay"),
        ({"max_delay": float("inf")}, "max_delay"),
        ({"jitter": 1}, "jitter"),
        ({"jitter": None}, "jitter"),
    ],
)
def test_refused_by_field(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        Backoff(**options)
    assert raised.value.field == field


@pytest.mark.parametrize(
    ("backoff", "longest"),
    [
        (Backoff(), [5, 10, 20, 40]),
        (Backoff(10, 3, 50), [10, 30, 50, 50]),
        (Backoff(60, 2, 30), [30, 30]),
        (Backoff(0, 100), [0, 0]),
        (Backoff.fixed(7), [7, 7, 7]),
    ],
)
def test_the_longest_wait_grows_up_to_the_cap(backoff: Backoff, longest: list[float]) -> None:
    assert [backoff.longest(retry + 1) for retry in range(len(longest))] == longest


def test_no_retry_is_too_late_to_compute() -> None:
    assert Backoff(factor=100).longest(1000) == 3600


@pytest.mark.parametrize("given", [90, 90.0, timedelta(seconds=90)])
def test_seconds_are_a_fixed_delay(given: object) -> None:
    backoff = checked_backoff(given, field="backoff")
    assert backoff == Backoff.fixed(90)
    assert backoff is not None
    assert (backoff.longest(1), backoff.longest(1000), backoff.jitter) == (90, 90, False)


def test_a_backoff_and_none_are_taken_as_given() -> None:
    given = Backoff(delay=1)
    assert checked_backoff(given, field="backoff") is given
    assert checked_backoff(None, field="backoff") is None


@pytest.mark.parametrize("given", ["5", True, -1, timedelta(days=31), NAN, object()])
def test_anything_else_is_refused(given: object) -> None:
    with pytest.raises(InvalidInput) as raised:
        checked_backoff(given, field="backoff")
    assert raised.value.field == "backoff"
