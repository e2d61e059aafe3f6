"""Latencies: exact quantiles, a histogram that keeps every job, windows that follow from both."""

from __future__ import annotations

from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supaqueue.cutover.parity.classes import SECOND
from supaqueue.cutover.parity.latency import EDGES, Took, latencies, note, quantile, settle_windows
from tests.cutover.parity.test_classify import COPY, DONE, LONG_AGO, OWNED


def took(*seconds: float, **changes: Any) -> Took:
    found = Took()
    for one in seconds:
        end = DONE._replace(ended_at=LONG_AGO + int(one * SECOND))
        note(found, OWNED._replace(**{"outcome": end} | changes))
    return found


def test_a_job_counts_where_it_ended_from_when_it_could_run() -> None:
    found = took(5.0, due_at=LONG_AGO + 2 * SECOND)
    assert found.once == {("count", "legacy"): array("d", [3.0])}
    for other in (COPY, OWNED._replace(state="running"), OWNED._replace(outcome=None)):
        note(found, other)
    assert sum(map(len, found.once.values())) == 1
    assert list(took(-1.0).once.values()) == [array("d", [0.0])], "a clock that is behind"


def test_one_that_was_started_again_widens_the_window_and_is_no_latency() -> None:
    found = took(500.0, due_at=LONG_AGO + 490 * SECOND, starts=2)
    assert latencies(found, "count") == {}
    assert settle_windows(found) == {"count": 1500.0}


@pytest.mark.parametrize(
    ("share", "value"), [(0.5, 50.0), (0.95, 95.0), (0.99, 99.0), (1.0, 100.0), (0.0, 1.0)]
)
def test_quantiles_are_values_that_were_seen(share: float, value: float) -> None:
    assert quantile([float(n) for n in range(1, 101)], share) == value
    assert quantile([7.0], share) == 7.0


@given(st.lists(st.floats(0, 1e7), min_size=1))
def test_the_histogram_has_every_job_once(seconds: list[float]) -> None:
    found = Took()
    found.once["count", "supabase"].extend(seconds)
    summary: Any = latencies(found, "count")["supabase"]
    assert summary["jobs"] == len(seconds) == sum(jobs for _, jobs in summary["histogram"])
    for edge, jobs in summary["histogram"]:
        place = len(EDGES) if edge is None else EDGES.index(edge)
        below = EDGES[place - 1] if place else -1.0
        assert jobs == sum(below < one <= (edge or float("inf")) for one in seconds)
    assert summary["max"] == max(seconds)


def test_windows_are_between_a_minute_and_a_day_and_go_by_the_slower_system() -> None:
    found = Took()
    found.once["quick", "legacy"].extend([0.1] * 1000)
    found.once["slow", "legacy"].extend([10.0] * 99 + [100_000.0])
    found.once["slow", "supabase"].extend([30.0] * 100)
    found.once["endless", "legacy"].extend([1e6])
    assert settle_windows(found) == {"quick": 60.0, "slow": 90.0, "endless": 86_400.0}


def test_a_type_without_an_end_has_none() -> None:
    assert latencies(Took(), "count") == {}
    assert latencies(Took(), None) == {}
    found = Took()
    note(found, OWNED._replace(task_type=None))
    assert (found.once, found.again) == ({}, {})
