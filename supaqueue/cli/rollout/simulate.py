"""`supaqueue rollout simulate`: how often the rollback would fire, and how soon, at rates like yours."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from supaqueue.cli.rollout.options import AsJson, print_json
from supaqueue.errors import ConfigurationError

if TYPE_CHECKING:
    from supaqueue.cutover.gate.simulation import Simulated

RATIOS = (1.0, 2.0, 3.0, 5.0)

Baseline = Annotated[float, typer.Option(help="The control's error rate, in percent.")]
Ratios = Annotated[
    list[float] | None,
    typer.Option(
        "--ratio", help="How many times that the canary's is; may be repeated. 1, 2, 3, 5 by default."
    ),
]
Share = Annotated[float, typer.Option(help="The canary's share of all jobs, in percent.")]
Look = Annotated[int, typer.Option(help="Canary jobs between two looks.")]
Horizon = Annotated[int, typer.Option(help="After how many canary jobs a run has passed.")]
Runs = Annotated[int, typer.Option(max=1_000_000, help="How often each is simulated.")]
Tests = Annotated[int, typer.Option(help="How many tests run side by side, such as one per task type.")]
Cluster = Annotated[
    int, typer.Option(help="Jobs in a row with one route key, which fail or end well together.")
]
ByKey = Annotated[bool, typer.Option("--by-key", help="Count route keys with errors, not jobs.")]
Lag = Annotated[int, typer.Option(help="By how many looks the control's errors are known later.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same answer.")]


def run(
    baseline: Baseline = 1.0,
    ratios: Ratios = None,
    share: Share = 10.0,
    look: Look = 20,
    horizon: Horizon = 4_000,
    runs: Runs = 2_000,
    tests: Tests = 1,
    cluster: Cluster = 1,
    by_key: ByKey = False,
    control_lag: Lag = 0,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Simulate canaries: how many a rollback ends, and after how many of their jobs. Needs no database.

    What the rows with a ratio of 1 show is how often a healthy system is rolled back.
    """
    try:
        # Here, since the other commands of a rollout do without an extra, and without the second it takes.
        from supaqueue.cutover.gate.simulation import Scenario, simulate
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            "this command needs more packages: pip install 'supaqueue[cutover]'"
        ) from missing
    scenarios = [
        Scenario(
            baseline=baseline / 100,
            ratio=ratio,
            share=share / 100,
            look_every=look,
            horizon=horizon,
            tests=tests,
            cluster=cluster,
            by_key=by_key,
            control_lag=control_lag,
            runs=runs,
        )
        for ratio in ratios or RATIOS
    ]
    for scenario in scenarios:
        scenario.check()
    found = [simulate(scenario, seed=seed) for scenario in scenarios]
    if as_json:
        print_json([_as_json(one) for one in found])
    else:
        _print(found)


def _as_json(found: Simulated) -> dict[str, Any]:
    from supaqueue.cutover.parity.bounds import lower_bound, upper_bound

    runs = found.scenario.runs
    return {
        **asdict(found.scenario),
        "rolled_back": found.rolled_back,
        "rate": found.rate,
        "lower_bound": lower_bound(found.rolled_back, runs),
        "upper_bound": upper_bound(found.rolled_back, runs),
        "median_jobs": found.median_jobs,
    }


def _print(found: list[Simulated]) -> None:
    from supaqueue.cutover.parity.bounds import lower_bound, upper_bound

    table = Table(
        "control", "canary", "ratio", "rolled back", "95 percent bounds", "median canary jobs until then"
    )
    for one in found:
        scenario, runs = one.scenario, one.scenario.runs
        table.add_row(
            f"{scenario.baseline:.2%}",
            f"{scenario.baseline * scenario.ratio:.2%}",
            f"{scenario.ratio:g}",
            f"{one.rate:.1%}" + (" (false)" if scenario.ratio <= 1 else ""),
            f"{lower_bound(one.rolled_back, runs):.1%} to {upper_bound(one.rolled_back, runs):.1%}",
            "" if one.median_jobs is None else f"{one.median_jobs:,.0f}",
        )
    Console().print(table)
