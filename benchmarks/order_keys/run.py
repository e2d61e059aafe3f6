"""Order keys at size: what choosing costs among many keys, and what pushing to one of them costs.

`choose`: with so many keys, and so many tasks that wait behind them, each round ends the turns of 10 keys and
measures two claims: one that only hands on the turns of those keys (it wants nothing), and one that leases
the 10, as any claim does. Times are what the server's process spent on a processor, so that a busy machine
says little (Linux: /proc/PID/schedstat).
`push`: 16 sessions that enqueue one job a call, all for one key, against each for a key of its own; as a
ratio, in turn, so that what else the machine does touches both alike.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.types.json import Jsonb

from supaqueue.devstack import Stack
from supaqueue.job_id import new_job_id
from supaqueue.maintain.migrate import Migrator

CHOOSE_BAR_MS, PUSH_BAR = 5.0, 0.6
SESSIONS, WINDOW_SECONDS, SERVED = 16, 2.0, 10
QUEUE = "ordered"

FILL = """
set session_replication_role = replica;
create unlogged table loaded as
    select n, format('%%s-0000-7000-8000-00000000%%s', lpad(to_hex(n), 8, '0'),
        lpad(to_hex(n %% 10000), 4, '0'))::uuid as job_id
    from generate_series(1, %(tasks)s) as n;
insert into jobs (job_id, queue, task_type, bucket, content_hash)
    select job_id, 'ordered', 'apply', n %% 10000, '\\x00' from loaded;
insert into job_tasks (job_id, queue, task_type, payload, status, order_key, key_position, blocks_key)
    select job_id, 'ordered', 'apply', '{}', 'blocked', 'key ' || n %% %(keys)s,
        nextval('job_task_position'), true
    from loaded order by n;
insert into job_order_key_queues values ('ordered');
insert into job_order_key_signals (queue, order_key)
    select 'ordered', 'key ' || n from generate_series(0, %(keys)s - 1) as n;
drop table loaded;
reset session_replication_role;
"""


def call(connection: psycopg.Connection[Any], function: str, **arguments: Any) -> Any:
    """Call a function of the contract."""
    named = ", ".join(f"{name} => %({name})s" for name in arguments)
    row = connection.execute(
        f"select {function}({named}, contract_version => 1)".encode(), arguments
    ).fetchone()
    assert row is not None
    return row[0]


class Server:
    """A worker's session that serves keys."""

    def __init__(self, address: str) -> None:
        self.connection = psycopg.connect(address, autocommit=True)
        self.marks: dict[str, Any] = {}
        self._stat = Path(f"/proc/{self.connection.info.backend_pid}/schedstat")

    def spent_ms(self) -> float:
        """Milliseconds that the session's process has run."""
        return int(self._stat.read_text().split()[0]) / 1e6

    def claim(self, want: int) -> list[dict[str, Any]]:
        """Lease tasks."""
        reply = call(
            self.connection,
            "claim_job_tasks_v1",
            request_id=uuid4(),
            worker_id="w",
            queues=[QUEUE],
            task_types=["apply"],
            want=want,
            holding=0,
            lease_seconds=3600,
            marks=Jsonb(self.marks),
            started=Jsonb([]),
        )
        self.marks = reply["marks"]
        return list(reply["tasks"])

    def finish(self, tasks: list[dict[str, Any]]) -> None:
        """End them, each with its turn."""
        names = ("job_id", "task_number", "lease_token")
        ended = [{name: task[name] for name in names} | {"outcome": "done"} for task in tasks]
        call(self.connection, "finish_job_tasks_v1", worker_id="w", tasks=Jsonb(ended))


def choose(address: str, keys: int, tasks: int, rounds: int) -> dict[str, dict[str, float]]:
    """Measure claims that find `SERVED` keys to serve while every other key has a task in a worker."""
    with psycopg.connect(address, autocommit=True) as connection:
        text = FILL % {"tasks": tasks, "keys": keys}
        connection.execute(text.encode())
        connection.execute("vacuum analyze jobs")
        connection.execute("vacuum analyze job_tasks")
    server = Server(address)
    held: list[dict[str, Any]] = []
    while len(held) < keys:
        held += server.claim(1000)
    choosing, leasing = [], []
    for number in range(rounds):
        server.finish(held[:SERVED])
        began = server.spent_ms()
        server.claim(0)
        chosen = server.spent_ms()
        served = server.claim(SERVED)
        choosing.append(chosen - began)
        leasing.append(server.spent_ms() - chosen)
        assert len(served) == SERVED, f"round {number} served {len(served)}"
        held = held[SERVED:] + served
    server.connection.close()
    return {"choose": in_short(choosing), "lease": in_short(leasing)}


def in_short(spent: list[float]) -> dict[str, float]:
    """The middle, the 99th percentile and the worst."""
    cut = quantiles(spent, n=100)[98]
    return {"p50_ms": round(median(spent), 2), "p99_ms": round(cut, 2), "worst_ms": round(max(spent), 2)}


def pushed(address: str, keys: list[str]) -> float:
    """Enqueues a second of one session for each key given."""
    counts = [0] * len(keys)
    barrier, stop = threading.Barrier(len(keys) + 1), threading.Event()

    def push(number: int) -> None:
        with psycopg.connect(address, autocommit=True) as connection:
            barrier.wait()
            while not stop.is_set():
                job = {
                    "job_id": new_job_id(),
                    "queue": "pushed",
                    "task_type": "apply",
                    "order_key": keys[number],
                }
                call(connection, "enqueue_jobs_v1", jobs=Jsonb([job]))
                counts[number] += 1

    threads = [threading.Thread(target=push, args=(number,)) for number in range(len(keys))]
    for thread in threads:
        thread.start()
    barrier.wait()
    began = time.monotonic()
    time.sleep(WINDOW_SECONDS)
    stop.set()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.monotonic() - began)


def push_ratio(address: str, pairs: int) -> dict[str, float]:
    """One hot key against 16, in turn."""
    many = [f"key {number}" for number in range(SESSIONS)]
    ratios, rates = [], []
    for _ in range(pairs):
        hot, spread = pushed(address, ["hot"] * SESSIONS), pushed(address, many)
        ratios.append(hot / spread)
        rates.append(spread)
    return {"ratio": round(median(ratios), 2), "spread_per_second": round(median(rates)), "pairs": pairs}


def main() -> int:
    """Print what was measured; 1 if it misses a bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder) / "stack", durable=False) as stack:
        Migrator(stack.database_url).apply()
        found: dict[str, Any] = {
            **choose(stack.superuser_url, given.keys, given.tasks, given.rounds),
            "push": push_ratio(stack.superuser_url, given.pairs),
            "load": round(os.getloadavg()[0], 1),
        }
        stack.remove()
    met = found["choose"]["p99_ms"] < CHOOSE_BAR_MS and found["push"]["ratio"] >= PUSH_BAR
    print(json.dumps(found, indent=None if given.json else 2))
    if not given.json:
        print("within the bars" if met else "misses a bar")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
