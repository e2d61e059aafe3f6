"""How long jobs have to end before they are counted."""

from __future__ import annotations

import pytest

from supaqueue.contract import BinnedLatencies, DeclaredTaskType
from supaqueue.cutover.gate.settle_windows import seconds_of, settle_windows


def bin_of(seconds: float) -> int:
    """The bin that a latency lies in, by its definition."""
    number = 0
    while 1.02 ** (number + 1) < seconds * 1000:
        number += 1
    return number


def latencies(canary: float, control: float) -> BinnedLatencies:
    return BinnedLatencies(((bin_of(canary), 100),), ((bin_of(control), 100),))


@pytest.mark.parametrize("seconds", [0.005, 0.8, 60.0, 3600.0])
def test_a_quantile_is_known_to_the_width_of_a_bin(seconds: float) -> None:
    found = seconds_of(((bin_of(seconds), 3),), 0.99)
    assert found is not None
    assert seconds <= found <= 1.021 * seconds


def test_quantiles_go_by_rank() -> None:
    bins = ((bin_of(10), 1), (bin_of(1), 99))
    assert seconds_of(bins, 0.99) == pytest.approx(1, rel=0.03)
    assert seconds_of(bins, 0.991) == pytest.approx(10, rel=0.03)
    assert seconds_of((), 0.99) is None


def test_a_quarter_of_an_hour_is_enough_for_most() -> None:
    assert settle_windows({"quick": latencies(1, 2), "usual": latencies(250, 3)}) == {}


def test_the_slower_system_counts_and_windows_are_doubled() -> None:
    found = settle_windows({"a": latencies(1, 400), "b": latencies(700, 1), "c": latencies(90_000, 1)})
    assert found == {"a": 1800.0, "b": 3600.0, "c": 86_400.0}


def test_all_retries_that_were_declared_fit_in() -> None:
    growing = DeclaredTaskType("growing", max_attempts=5, retry_delay_seconds=100.0, retry_factor=2.0)
    capped = DeclaredTaskType(
        "capped",
        max_attempts=1000,
        retry_delay_seconds=60.0,
        retry_factor=10.0,
        retry_max_delay_seconds=120.0,
    )
    few = DeclaredTaskType("few", max_attempts=3, retry_delay_seconds=5.0)
    for_ever = DeclaredTaskType("for ever", max_attempts=1000, retry_delay_seconds=3600.0, retry_factor=100.0)
    found = settle_windows({}, (growing, capped, few, for_ever, DeclaredTaskType("plain")))
    assert found == {"growing": 1800.0, "capped": 86_400.0, "for ever": 86_400.0}
