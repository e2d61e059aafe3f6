"""Claims and finishes of 100 tasks: an earlier commit's SQL against this one's, and fair against plain.

Two databases of one server, taken in turn; every figure is the median of what a call made the server's
process spend on a processor, so that a busy machine says little (Linux: /proc/PID/schedstat). `plain`: one
queue, no tenants, by the old SQL and by the new. `fair`: ten queues with weights and a thousand tenants in
each.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from supaqueue.devstack import Stack
from supaqueue.job_id import new_job_id
from supaqueue.maintain.migrate import Migrator
from supaqueue.maintain.sql_files import SqlFiles

ROOT = Path(__file__).resolve().parents[2]
EARLIER = "e260bb0"
"""The last commit before lines."""

WANT = 100
BACKLOG = 3_000
FAIR_BAR, PLAIN_BAR = 2.0, 0.97


@dataclass
class Load:
    """A worker's session: what it takes it puts back, outside the time that is measured."""

    connection: psycopg.Connection[Any]
    queues: dict[str, int]
    tenants: int
    is_weighted: bool
    marks: dict[str, Any] = field(default_factory=dict)
    claims: list[float] = field(default_factory=list)
    finishes: list[float] = field(default_factory=list)

    def enqueue(self, queues: Iterable[str]) -> None:
        jobs = [
            {"job_id": new_job_id(), "queue": queue, "task_type": "send", "payload": {"text": "x" * 100}}
            | ({"tenant": f"tenant-{n % self.tenants:04}"} if self.tenants else {})
            for n, queue in enumerate(queues)
        ]
        self._call("enqueue_jobs_v1", jobs=Jsonb(jobs))

    def fill(self) -> None:
        for queue in self.queues:
            self.enqueue([queue] * BACKLOG)

    def round(self) -> None:
        """Claim and finish, then enqueue as many of the same queues."""
        weights = {"weights": Jsonb(self.queues)} if self.is_weighted else {}
        before = self._spent()
        reply = self._call(
            "claim_job_tasks_v1",
            request_id=str(uuid4()),
            worker_id="worker",
            queues=list(self.queues),
            task_types=["send"],
            want=WANT,
            holding=0,
            lease_seconds=600,
            marks=Jsonb(self.marks),
            started=Jsonb([]),
            **weights,
        )
        between = self._spent()
        ends = [{n: task[n] for n in ("job_id", "task_number", "lease_token")} for task in reply["tasks"]]
        done = Jsonb([end | {"outcome": "done"} for end in ends])
        self._call("finish_job_tasks_v1", worker_id="worker", tasks=done)
        self.claims.append(between - before)
        self.finishes.append(self._spent() - between)
        self.marks = reply["marks"]
        if len(ends) != WANT:
            raise SystemExit(f"a claim of {WANT} got {len(ends)}")
        self.enqueue(task["queue"] for task in reply["tasks"])

    def milliseconds(self) -> dict[str, float]:
        both = [c + f for c, f in zip(self.claims, self.finishes, strict=True)]
        return {
            "claim": round(1000 * median(self.claims), 3),
            "claim_and_finish": round(1000 * median(both), 3),
        }

    def _spent(self) -> float:
        """Seconds that the session's process has run."""
        return int(Path(f"/proc/{self.connection.info.backend_pid}/schedstat").read_text().split()[0]) / 1e9

    def _call(self, function: str, **arguments: Any) -> Any:
        named = ", ".join(f"{name} => %({name})s" for name in arguments)
        query = f"select {function}({named}, contract_version => 1)".encode()
        row = self.connection.execute(query, arguments).fetchone()
        assert row is not None
        return row[0]


def earlier_sql(commit: str, folder: Path) -> SqlFiles:
    """Return the SQL as it was at a commit."""
    archive = subprocess.run(["git", "archive", commit, "sql"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return SqlFiles(folder / "sql")


def open_database(stack: Stack, name: str, files: SqlFiles | None) -> str:
    with psycopg.connect(stack.superuser_url, autocommit=True) as connection:
        connection.execute(f"create database {name} owner postgres".encode())
    address = make_conninfo(stack.database_url, dbname=name)
    Migrator(address, **({"files": files} if files else {})).apply()
    return address


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=3, help="of each load in each round")
    parser.add_argument("--earlier", default=EARLIER, help="the commit to compare with")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder) / "stack") as stack:
        old = open_database(stack, "earlier", earlier_sql(args.earlier, Path(folder)))
        new = open_database(stack, "present", None)

        def load(address: str, queues: dict[str, int], tenants: int, is_weighted: bool) -> Load:
            connection = psycopg.connect(address, autocommit=True, prepare_threshold=0)
            return Load(connection, queues, tenants, is_weighted)

        ten = {f"q{n}": 1 + n % 3 for n in range(10)}
        loads = {
            "plain_before": load(old, {"plain": 1}, 0, False),
            "plain": load(new, {"plain": 1}, 0, False),
            "fair": load(new, ten, 1000, True),
        }
        for one in loads.values():
            one.fill()
        for number in range(args.rounds):
            # Whoever is first in one round is last in the next.
            for one in list(loads.values())[:: -1 if number % 2 else 1]:
                end = time.monotonic() + args.seconds
                while time.monotonic() < end:
                    one.round()
        figures = {name: one.milliseconds() for name, one in loads.items()}
        for one in loads.values():
            one.connection.close()
    plain, before, fair = (figures[n]["claim_and_finish"] for n in ("plain", "plain_before", "fair"))
    ratios = {
        "plain_of_before": round(before / plain, 3),
        "fair_times_plain": round(fair / plain, 2),
        "fair_claim_times_plain": round(figures["fair"]["claim"] / figures["plain"]["claim"], 2),
    }
    print(json.dumps({"milliseconds": figures, "ratios": ratios}, indent=None if args.json else 2))
    held = ratios["plain_of_before"] >= PLAIN_BAR and ratios["fair_claim_times_plain"] <= FAIR_BAR
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
