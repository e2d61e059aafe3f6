"""Claims and finishes of 100 tasks: an earlier commit's SQL against this one's, without a limit and with one.

Loads take turns, call by call; every figure is the median of what a call made the server's process spend on
a processor, so that a busy machine says little (Linux: /proc/PID/schedstat). `plain`: no limit is set, by the
old SQL and by the new. `elsewhere`: one is set, on another queue. `limited`: limits on the queue and on
its type, with room for all. Run it as `python -m benchmarks.limits.run`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg.types.json import Jsonb

from benchmarks.fairness.run import Load, earlier_sql, open_database
from supaqueue.devstack import Stack

EARLIER = "0de4a82"
"""The last commit before limits."""

BAR = 0.97

LIMITS = {
    "elsewhere": [{"queue": "another", "running_limit": 3}],
    "limited": [
        {"queue": "plain", "running_limit": 1000},
        {"task_type": "send", "starts_limit": 1_000_000, "starts_seconds": 60},
    ],
}


def open_load(address: str) -> Load:
    load = Load(psycopg.connect(address, autocommit=True, prepare_threshold=0), {"plain": 1}, 0, False)
    load.fill()
    return load


def set_limits(load: Load, limits: list[dict[str, object]]) -> None:
    load.connection.execute(
        "select limit_running_v1(%s::uuid, %s, 'benchmark', 1)", [str(uuid4()), Jsonb(limits)]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=150, help="claims and finishes of each load")
    parser.add_argument("--earlier", default=EARLIER, help="the commit to compare with")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder) / "stack") as stack:
        loads = {
            "plain_before": open_load(
                open_database(stack, "earlier", earlier_sql(args.earlier, Path(folder)))
            )
        }
        for name in ("plain", *LIMITS):
            loads[name] = open_load(open_database(stack, name, None))
            if name in LIMITS:
                set_limits(loads[name], LIMITS[name])  # type: ignore[arg-type]
        for number in range(args.rounds):
            # Whoever is first in one round is last in the next.
            for one in list(loads.values())[:: -1 if number % 2 else 1]:
                one.round()
        figures = {name: one.milliseconds() for name, one in loads.items()}
        for one in loads.values():
            one.connection.close()
    before = figures["plain_before"]["claim_and_finish"]
    ratios = {name: round(before / figures[name]["claim_and_finish"], 3) for name in ("plain", *LIMITS)}
    print(json.dumps({"milliseconds": figures, "ratios": ratios}, indent=None if args.json else 2))
    sys.exit(0 if min(ratios["plain"], ratios["elsewhere"]) >= BAR else 1)


if __name__ == "__main__":
    main()
