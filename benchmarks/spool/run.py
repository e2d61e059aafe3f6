"""A spool of 200,000 mirrors is relayed: what the relay's process has resident, and how fast it is.

Its rate is compared with that of `enqueue_many`, which sends the same rows from memory, in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from supaqueue import NewJob, Queue, Settings
from supaqueue.contract import ChangeFeatureFlag
from supaqueue.cutover.spool import Spool
from supaqueue.cutover.spooled import mirror_record
from supaqueue.devstack import Stack
from supaqueue.maintain.migrate import Migrator
from supaqueue.transport import RestTransport

BAR_MEGABYTES = 100
BATCH = 1_000
RELAY = Path(__file__).with_name("relay_process.py")


@dataclass
class Figures:
    """What a run came to; rates are mirrors per second."""

    mirrors: int
    payload_bytes: int
    spool_megabytes: float
    relayed: int
    stored: int
    left: int
    resident_before_megabytes: float
    peak_megabytes: float
    relay_rate: float
    enqueue_rate: float
    ratio: float


def mirrors(count: int, payload_bytes: int) -> Iterator[NewJob]:
    """Make jobs that legacy owns."""
    for number in range(count):
        job = NewJob("count", {"number": number, "text": "x" * payload_bytes})
        job.place("legacy")
        yield job


def fill(spool: Spool, count: int, payload_bytes: int) -> int:
    """Spool mirrors, and return the bytes that they take on the disk."""
    jobs = mirrors(count, payload_bytes)
    while batch := list(islice(jobs, BATCH)):
        spool.append([mirror_record(job) for job in batch])
    return sum(path.stat().st_size for path in spool.folder.rglob("*") if path.is_file())


def enqueue_rate(queue: Queue, count: int, payload_bytes: int) -> float:
    """Send such mirrors from memory."""
    jobs = list(mirrors(count, payload_bytes))
    began = time.perf_counter()
    queue.enqueue_many(jobs)
    return count / (time.perf_counter() - began)


def measure(stack: Stack, folder: Path, options: argparse.Namespace) -> Figures:
    """Fill a spool, and let a process of its own relay it."""
    spool = Spool(folder / "spool")
    size = fill(spool, options.mirrors, options.payload_bytes)
    with RestTransport(Settings(url=stack.url, service_role_key=stack.service_role_key)) as transport:
        for change in ({"stage": "off", "is_enabled": False, "rollout_percent": 0}, {"stage": "mirror"}):
            transport.send(ChangeFeatureFlag(change, changed_by="benchmark"))  # type: ignore[arg-type]
        rates = [enqueue_rate(Queue(transport=transport), options.mirrors // 10, options.payload_bytes)]
        before = stored(stack)
        command = [sys.executable, str(RELAY), str(spool.folder)]
        told = subprocess.run(command, env=os.environ | stack.env(), stdout=subprocess.PIPE, check=True)
        relay = json.loads(told.stdout)
        after = stored(stack)
        rates.append(enqueue_rate(Queue(transport=transport), options.mirrors // 10, options.payload_bytes))
    relay_rate, direct_rate = relay["relayed"] / relay["seconds"], sum(rates) / 2
    return Figures(
        mirrors=options.mirrors,
        payload_bytes=options.payload_bytes,
        spool_megabytes=round(size / 1e6, 1),
        relayed=relay["relayed"],
        stored=after - before,
        left=Spool(spool.folder).drain(lambda records: None),
        resident_before_megabytes=round(relay["before_bytes"] / 1e6, 1),
        peak_megabytes=round(relay["peak_bytes"] / 1e6, 1),
        relay_rate=round(relay_rate),
        enqueue_rate=round(direct_rate),
        ratio=round(relay_rate / direct_rate, 2),
    )


def stored(stack: Stack) -> int:
    """Count the mirrors in Supabase."""
    with psycopg.connect(stack.superuser_url) as database:
        row = database.execute("select count(*) from jobs where status = 'mirrored'").fetchone()
    assert row is not None
    return int(row[0])


def show(figures: Figures) -> None:
    table = Table("", "figure")
    for name, figure in asdict(figures).items():
        table.add_row(name.replace("_", " "), f"{figure:,}")
    table.add_row("bar: peak megabytes", f"{BAR_MEGABYTES}")
    Console().print(table)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mirrors", type=int, default=200_000, help="in the spool")
    parser.add_argument("--payload-bytes", type=int, default=200, help="of each")
    parser.add_argument("--quick", action="store_true", help="10,000 mirrors")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if options.quick:
        options.mirrors = 10_000
    return options


def main() -> int:
    options = read_options()
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder) / "stack")
        try:
            with stack:
                Migrator(stack.database_url).apply()
                figures = measure(stack, Path(folder), options)
        finally:
            stack.remove()
    if options.json:
        print(json.dumps(asdict(figures)))
    else:
        show(figures)
    assert (figures.relayed, figures.stored, figures.left) == (options.mirrors, options.mirrors, 0)
    return 0 if figures.peak_megabytes < BAR_MEGABYTES else 1


if __name__ == "__main__":
    sys.exit(main())
