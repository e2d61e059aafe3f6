"""supaqueue against PgQueuer, Procrastinate and BullMQ: one run, one machine, one Postgres, in turns.

Each measure is taken by a process of its own, one contender after the other, several rounds; a ratio is of
one round. Postgres syncs every commit; Valkey syncs each second, as is its default. Requirements D1 to D4.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from rich.console import Console
from rich.table import Table

from supaqueue.devstack import Stack
from supaqueue.maintain.migrate import Migrator

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "dual_write"))

from broker import running_valkey  # noqa: E402  # benchmarks are no package

POSTGRES_PEERS = ("pgqueuer", "procrastinate")


@dataclass(frozen=True)
class Measure:
    """What is measured, how, and the bar.

    `ours` names our contender; the bar is for its ratio to the best of `against`.
    """

    name: str
    arguments: tuple[str, ...]
    quick: tuple[str, ...]
    ours: str
    against: tuple[str, ...]
    bar: float
    less_is_better: bool = False
    leave_out: tuple[str, ...] = ()

    def ratio(self, figures: dict[str, float]) -> float:
        """Ours to the best peer's, in one round."""
        best = min if self.less_is_better else max
        return figures[self.ours] / best(figures[peer] for peer in self.against)

    def is_met(self, ratio: float) -> bool:
        """Whether the bar is met."""
        return ratio <= self.bar if self.less_is_better else ratio >= self.bar


SLOW = ("procrastinate",)
"""Its worker takes one job at a time from the database: a hundredth of the others' rate."""

MEASURES = (
    *(
        Measure(
            f"D1 drain, {slots} slots",
            ("drain", str(slots), "30000"),
            ("drain", str(slots), "5000"),
            "http",
            ("pgqueuer",),
            1.2,
            leave_out=SLOW,
        )
        for slots in (64, 256)
    ),
    *(
        Measure(
            f"D2 enqueue, {callers} callers",
            ("single", str(callers), "8.0"),
            ("single", str(callers), "2.0"),
            "http",
            POSTGRES_PEERS,
            bar,
        )
        for callers, bar in ((16, 2.0), (256, 4.0))
    ),
    Measure("D3 enqueue, 1,000 a call", ("bulk", "40000"), ("bulk", "5000"), "http", ("pgqueuer",), 0.8),
    *(
        Measure(
            f"D4 pickup p50, {kind}, ms",
            ("pickup", str(jobs), pause, "50"),
            ("pickup", str(jobs // 4), pause, "50"),
            "direct",
            ("pgqueuer",),
            1.2,
            less_is_better=True,
        )
        for kind, jobs, pause in (("jobs keep coming", 100, "0.05"), ("from idle", 20, "1.5"))
    ),
)
CONTENDERS = {
    "http": "ours.py",
    "direct": "ours.py",
    "pgqueuer": "pgqueuer_peer.py",
    "procrastinate": "procrastinate_peer.py",
    "bullmq": "bullmq_peer.py",
}
PEERS_OWN_PYTHON = {"pgqueuer", "procrastinate"}


@contextmanager
def addresses(directory: Path) -> Iterator[dict[str, str]]:
    """Start the servers, and give what each contender is told."""
    with ExitStack() as opened:
        stack = opened.enter_context(Stack(directory / "stack"))
        Migrator(stack.database_url).apply()
        with psycopg.connect(stack.superuser_url, autocommit=True) as connection:
            for peer in POSTGRES_PEERS:
                connection.execute(f"create database {peer} owner postgres".encode())
        yield {
            "http": json.dumps({"url": stack.url, "service_role_key": stack.service_role_key}),
            "direct": json.dumps({"url": stack.database_url}),
            "bullmq": opened.enter_context(running_valkey(directory / "valkey")),
            **{peer: make_conninfo(stack.database_url, dbname=peer) for peer in POSTGRES_PEERS},
        }


def uri(conninfo: str) -> str:
    """Return a connection string as asyncpg wants it."""
    facts = conninfo_to_dict(conninfo)
    place = f"{facts['host']}:{facts['port']}/{facts['dbname']}"
    return f"postgresql://{facts['user']}:{facts.get('password', '')}@{place}"


def take(contender: str, arguments: tuple[str, ...], address: str, peers_python: Path) -> float:
    """Take one measure of one contender in a process of its own."""
    python = str(peers_python) if contender in PEERS_OWN_PYTHON else sys.executable
    measure, *rest = arguments
    command = [python, CONTENDERS[contender], measure, address, *rest]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=600, env=os.environ)
    if done.returncode != 0:
        raise SystemExit(f"{contender} {measure} failed:\n{done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def spread(values: list[float], digits: int) -> str:
    """Median, minimum and maximum."""
    return " ".join(f"{value:,.{digits}f}" for value in (median(values), min(values), max(values)))


def run(rounds: int, *, quick: bool, peers_python: Path, only: str, console: Console) -> list[dict[str, Any]]:
    """Take all measures in turns."""
    results = []
    with tempfile.TemporaryDirectory() as directory, addresses(Path(directory)) as given:
        told = {name: uri(text) if name in PEERS_OWN_PYTHON else text for name, text in given.items()}
        for measure in (one for one in MEASURES if one.name.startswith(only)):
            contenders = [name for name in CONTENDERS if name not in measure.leave_out]
            rows: list[dict[str, float]] = []
            for number in range(rounds):
                # Each round begins with another one, so that none is always after the same neighbour.
                order = contenders[number % len(contenders) :] + contenders[: number % len(contenders)]
                arguments = measure.quick if quick else measure.arguments
                rows.append({name: take(name, arguments, told[name], peers_python) for name in order})
                console.print(f"[dim]{measure.name}: round {number + 1} of {rounds}[/dim]")
            ratios = [measure.ratio(row) for row in rows]
            results.append(
                {
                    "measure": measure.name,
                    "figures": {name: [row[name] for row in rows] for name in contenders},
                    "ratios": ratios,
                    "bar": measure.bar,
                    "met": measure.is_met(median(ratios)),
                }
            )
    return results


def show(results: list[dict[str, Any]], console: Console) -> None:
    """Print the table: median, least and most of each."""
    table = Table(title="jobs a second, or ms: median, minimum, maximum")
    for column in ("", *CONTENDERS, "ratio", "bar", ""):
        table.add_column(column)
    for row in results:
        figures = row["figures"]
        digits = 1 if row["measure"].endswith("ms") else 0
        cells = [spread(figures[name], digits) if name in figures else "" for name in CONTENDERS]
        verdict = "met" if row["met"] else "missed"
        table.add_row(row["measure"], *cells, spread(row["ratios"], 2), f"{row['bar']}", verdict)
    console.print(table)


def main() -> None:
    """Run it as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="short and two rounds: too short to judge by")
    parser.add_argument("--only", default="", help="measures whose name begins with this")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peers-python", type=Path, required=True, help="of a venv with requirements.txt")
    given = parser.parse_args()
    console = Console(stderr=given.json, width=220)
    rounds = 2 if given.quick else given.rounds
    results = run(
        rounds,
        quick=given.quick,
        peers_python=given.peers_python.absolute(),
        only=given.only,
        console=console,
    )
    if given.json:
        print(json.dumps(results))
    else:
        show(results, console)
    sys.exit(0 if given.quick or all(row["met"] for row in results) else 1)


if __name__ == "__main__":
    main()
