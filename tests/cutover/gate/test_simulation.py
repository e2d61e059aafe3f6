"""The reference table of the semantics, section 7, and what a user may ask beside it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from supaqueue.cutover.gate.simulation import Scenario, simulate
from supaqueue.errors import InvalidInput
from tests.cutover.commands import Said, Terminal

LOOK = 20

Simulate = Callable[..., Said]


@pytest.mark.parametrize(
    ("baseline", "ratio", "lowest", "highest", "median_from", "median_to"),
    [
        (0.01, 1, 0.008, 0.025, None, None),
        (0.01, 2, 0.79, 0.86, 860, 920),
        (0.01, 3, 0.99, 1.0, 300, 340),
        (0.01, 5, 0.999, 1.0, 120, 140),
        (0.05, 3, 0.999, 1.0, 80, 80),
    ],
)
def test_the_reference_table(
    baseline: float,
    ratio: float,
    lowest: float,
    highest: float,
    median_from: float | None,
    median_to: float | None,
) -> None:
    found = simulate(Scenario(baseline, ratio, runs=4_000), seed=1)
    assert lowest <= found.rate <= highest
    if median_from is not None and median_to is not None:
        assert found.median_jobs is not None
        assert median_from - LOOK <= found.median_jobs <= median_to + LOOK


def test_errors_that_cluster_are_counted_by_route_key() -> None:
    clustered = Scenario(cluster=10, runs=1_000)
    assert simulate(clustered).rate > 0.2
    assert simulate(replace(clustered, by_key=True)).rate < 0.025


def test_one_side_s_slow_errors_against_the_other_s_fast_ones() -> None:
    assert simulate(Scenario(control_lag=20, runs=1_000)).rate > 0.2


def test_two_tests_side_by_side_each_need_more() -> None:
    one, two = (simulate(Scenario(ratio=2, tests=tests, runs=1_000)) for tests in (1, 2))
    assert two.rate < one.rate


def test_the_share_of_all_jobs_is_right_whatever_the_looks() -> None:
    scenario = Scenario(baseline=0.5, ratio=1.0, share=0.3, look_every=10, horizon=1_000, runs=200)
    assert simulate(scenario).rate < 0.05


def test_the_same_seed_gives_the_same() -> None:
    scenario = Scenario(ratio=2, runs=600)
    assert simulate(scenario, seed=7) == simulate(scenario, seed=7)
    assert simulate(scenario, seed=7) != simulate(scenario, seed=8)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("baseline and share", {"baseline": 0.0}),
        ("baseline and share", {"share": 1.0}),
        ("ratio", {"ratio": 200.0}),
        ("ratio", {"ratio": 0.0}),
        ("runs", {"runs": 0}),
        ("look_every", {"cluster": 3}),
        ("look_every", {"horizon": 10}),
        ("horizon", {"share": 1e-6}),
    ],
)
def test_what_cannot_be_simulated_is_named(field: str, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as raised:
        simulate(replace(Scenario(), **changes))
    assert raised.value.field == field


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Simulate:
    """Types `supaqueue rollout simulate`, where there is no database."""
    for name in ("SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal(monkeypatch, capsys)
    return lambda *arguments: terminal("simulate", *arguments)


def test_the_command_answers_without_a_database(typed: Simulate) -> None:
    said = typed("--runs", "200")
    assert said.code == 0, said
    assert "(false)" in said.out
    assert "median canary jobs" in said.out


def test_the_command_as_json(typed: Simulate) -> None:
    said = typed("--ratio", "3", "--ratio", "1", "--runs", "200", "--json")
    three, one = json.loads(said.out)
    assert (three["ratio"], one["ratio"]) == (3, 1)
    assert three["lower_bound"] < three["rate"] <= three["upper_bound"] == 1.0
    assert one["rate"] < one["upper_bound"]


def test_the_command_names_what_it_cannot_do(typed: Simulate) -> None:
    said = typed("--baseline", "0")
    assert (said.code, said.out) == (1, "")
    assert "baseline" in said.err


def test_without_the_extra_it_says_what_to_install(typed: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supaqueue.cutover.gate.simulation", None)
    said = typed()
    assert (said.code, said.out) == (1, "")
    assert "pip install 'supaqueue[cutover]'" in said.err
