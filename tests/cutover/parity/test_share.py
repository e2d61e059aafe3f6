"""Shares: what the flag says against what was given."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from scipy import stats

from supaqueue.cutover.parity.pairs import Pair
from supaqueue.cutover.parity.share import placed_with, shares_of
from tests.cutover.flags import MOMENT, flag, flags
from tests.cutover.parity.test_classify import COPY, OWNED

LATER = MOMENT + timedelta(hours=1)


def shares(overall: Any, *types: Any, **owners: tuple[int, int]) -> list[tuple[str, int, int, float | None]]:
    counted = {name: Counter({"supabase": s, "legacy": rest}) for name, (s, rest) in owners.items()}
    found = shares_of(counted, flags(overall, *types), LATER)  # type: ignore[arg-type]
    return [(one.flag_name, one.supabase, one.jobs, one.expected) for one in found]


@pytest.mark.parametrize(
    ("stage", "percent", "changes", "expected"),
    [
        ("mirror", 0, {}, 0.0),
        ("canary", 10, {}, 0.1),
        ("canary", 10, {"is_enabled": False}, 0.0),
        ("live", 100, {"holdback_percent": 2}, 0.98),
        ("live", 50, {"holdback_percent": 2}, 0.5),
        ("complete", 100, {}, 1.0),
        ("canary", 10, {"routes_by_tenant": True}, None),
        ("canary", 10, {"by_environment": True}, None),
        ("canary", 10, {"legacy_tenants": ("acme",)}, None),
        ("canary", 10, {"updated_at": LATER + timedelta(seconds=1)}, None),
    ],
)
def test_what_a_row_says(stage: Any, percent: int, changes: dict[str, Any], expected: float | None) -> None:
    row = replace(flag(stage, percent), **changes)
    assert shares(row, count=(10, 90)) == [(row.flag_name, 10, 100, expected)]


def test_a_type_with_its_own_row_counts_there() -> None:
    own = replace(flag("canary", 50), flag_name="supabase_queue:b", task_type="b")
    overall = flag("canary", 10)
    assert shares(overall, own, a=(1, 9), b=(5, 5), c=(0, 10)) == [
        (overall.flag_name, 1, 20, 0.1),
        ("supabase_queue:b", 5, 10, 0.5),
    ]


def test_how_likely_it_is() -> None:
    [found] = shares_of({"a": Counter({"supabase": 200, "legacy": 800})}, flags(flag("canary", 10)), LATER)
    assert found.p_value == pytest.approx(stats.binomtest(200, 1000, 0.1).pvalue)
    assert found.p_value is not None
    assert found.p_value < 1e-6


def test_a_hand_over_says_nothing_of_whose_it_was() -> None:
    assert placed_with(Pair(OWNED, COPY)) == "legacy"
    assert placed_with(Pair(None, COPY._replace(epoch=1))) == "supabase"
    assert placed_with(Pair(OWNED._replace(owner="supabase", epoch=1), None)) == "legacy"
    assert placed_with(Pair(None, COPY._replace(owner="supabase", epoch=2))) == "supabase"
