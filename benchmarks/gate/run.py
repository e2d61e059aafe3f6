"""The reference table of the rollback, 10,000 runs a row; exit code 1 if a row lies outside its range.

python benchmarks/gate/run.py
"""

from __future__ import annotations

import sys
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from supaqueue.cutover.gate.simulation import Scenario, Simulated, simulate

RUNS = 10_000
LOOK = 20

ROWS = (
    (Scenario(0.01, 1), (0.0, 0.025), None),
    (Scenario(0.01, 2), (0.80, 0.85), (860, 920)),
    (Scenario(0.01, 3), (0.99, 1.0), (300, 340)),
    (Scenario(0.01, 5), (0.99, 1.0), (120, 140)),
    (Scenario(0.05, 3), (0.99, 1.0), (80, 80)),
)
"""Scenario, range of the share that is rolled back, range of the median; one look more or less is allowed."""

CLUSTERS = (2, 5, 10, 20)
LAGS = (1, 5, 20, 50)


def main() -> int:
    """Print the tables; return the exit code."""
    table = Table("control", "ratio", "rolled back", "median canary jobs", "within")
    failed = 0
    for scenario, rates, medians in ROWS:
        found = simulate(replace(scenario, runs=RUNS))
        is_within = _is_within(found, rates, medians)
        failed += not is_within
        median = "" if found.median_jobs is None else f"{found.median_jobs:,.0f}"
        table.add_row(
            f"{scenario.baseline:.0%}", f"{scenario.ratio:g}", f"{found.rate:.2%}", median, str(is_within)
        )
    console = Console()
    console.print(table)
    console.print(_clustered())
    console.print(_lagging())
    return 1 if failed else 0


def _is_within(found: Simulated, rates: tuple[float, float], medians: tuple[int, int] | None) -> bool:
    lowest, highest = rates
    is_near = medians is None or (
        found.median_jobs is not None and medians[0] - LOOK <= found.median_jobs <= medians[1] + LOOK
    )
    return lowest <= found.rate <= highest and is_near


def _clustered() -> Table:
    """Healthy canaries whose errors come in clusters: a look every 100 jobs, so that each holds some."""
    table = Table("jobs of one route key", "rolled back, counting jobs", "counting route keys")
    for cluster in CLUSTERS:
        scenario = Scenario(cluster=cluster, look_every=100, runs=RUNS)
        table.add_row(
            str(cluster),
            f"{simulate(scenario).rate:.1%}",
            f"{simulate(replace(scenario, by_key=True)).rate:.1%}",
        )
    return table


def _lagging() -> Table:
    """Healthy canaries whose errors are known sooner than the control's."""
    table = Table("the control's errors known later by canary jobs", "rolled back")
    for lag in LAGS:
        found = simulate(Scenario(control_lag=lag, runs=RUNS))
        table.add_row(str(lag * LOOK), f"{found.rate:.1%}")
    return table


if __name__ == "__main__":
    sys.exit(main())
