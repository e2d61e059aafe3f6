"""How long it takes to decide a gate on a million jobs, and what counting them costs who enqueue and run.

python benchmarks/gate/decide.py    # --plans: only that, and how the database reads; --quick: 100,000 jobs

Two days of five types, a tenth of them Supabase's, ended in both systems. Seconds are of calls in the
database. The bar is for a look as a watch makes it: what is due is counted, everything is read.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from rich.console import Console
from rich.table import Table
from two_days import HOURS, fill

from supaqueue.contract import Call, CloseCohorts, ReadCohorts, ReadCohortTotals
from supaqueue.contract.claim_job_tasks import ClaimJobTasks
from supaqueue.contract.enqueue_jobs import EnqueueJobs
from supaqueue.contract.finish_job_tasks import FinishedTask, FinishJobTasks
from supaqueue.contract.json_value import encode
from supaqueue.contract.new_job import NewJob
from supaqueue.devstack import Stack
from supaqueue.maintain.migrate import Migrator
from supaqueue.settings import Settings
from supaqueue.transport import RestTransport

BAR_SECONDS = 5.0
BAR_RATIO = 0.9
AT_ONCE = 100
EVERY_SECONDS = 10.0


@dataclass
class Figures:
    """What a run came to; `kept` is the share of the rate that is left while a watch counts.

    With plans the hot path is not measured: the rate is 0.
    """

    jobs: int
    cold_seconds: float
    cold_calls: int
    look_seconds: float
    read_seconds: float
    read_bytes: int
    kept: float
    rate: float


class Database:
    """Makes calls in one session, and adds up how long they took there."""

    def __init__(self, session: psycopg.Connection[Any]) -> None:
        self.session = session
        self.seconds = 0.0
        self.bytes = 0

    def send(self, call: Call[Any]) -> Any:
        """Make one call."""
        given = call.arguments()
        names = ", ".join(f"{name} => %({name})s" for name in given)
        values = {name: encode(value) if isinstance(value, dict) else value for name, value in given.items()}
        began = time.monotonic()
        row = self.session.execute(f"select {call.function}({names})::text".encode(), values).fetchone()
        self.seconds += time.monotonic() - began
        assert row is not None
        self.bytes += len(row[0])
        return call.parse(json.loads(row[0]))

    def spent(self, work: Callable[[], object]) -> float:
        """Return how many seconds some work took in the database."""
        before = self.seconds
        work()
        return self.seconds - before


def close_all(database: Database, since: datetime) -> int:
    """Count all that is due; return in how many calls."""
    calls = 1
    while database.send(CloseCohorts(since)).more:
        calls += 1
    return calls


def read_all(database: Database, since: datetime) -> None:
    """Read what a gate reads."""
    until = datetime.now(UTC)
    for begin in (since, until - timedelta(hours=1)):
        database.send(ReadCohortTotals(begin, until))
    page = None
    while True:
        page = database.send(ReadCohorts(since, until, page)).next_page
        if page is None:
            return


def forget_the_last(session: psycopg.Connection[Any], minutes: int) -> None:
    """Let the database be as it is that many minutes after everything was counted."""
    session.execute(
        "with m as (update job_cohort_marks set counted_until = counted_until - make_interval(mins => %(m)s)"
        " returning counted_until) delete from job_cohorts c using m where c.minute >= m.counted_until",
        {"m": minutes},
    )
    session.execute(
        "update job_cohorts set final_canary = null, final_control = null"
        " where minute > (select max(minute) from job_cohorts where final_canary is not null)"
        " - make_interval(mins => %s)",
        [minutes],
    )
    session.execute("truncate job_backlogs")


def plans_of(session: psycopg.Connection[Any], work: Callable[[], object]) -> list[str]:
    """Return the plan of every statement that some work runs."""
    found: list[str] = []
    session.execute("load 'auto_explain'")
    for name, value in (("log_min_duration", "0"), ("log_nested_statements", "on"), ("log_analyze", "on")):
        session.execute(f"set auto_explain.{name} = {value}".encode())
    session.execute("set client_min_messages = log")
    session.add_notice_handler(lambda notice: found.append(notice.message_primary or ""))
    work()
    return found


SCAN = re.compile(
    r"((?:Parallel )?(?:Seq|Index Only|Index|Bitmap Heap) Scan)(?: Backward)?(?: using (\w+))? on (\w+)"
)
ACTUAL = re.compile(r"actual time=\S+ rows=([\d.]+) loops=(\d+)")


def summary_of(plans: Sequence[str]) -> Table:
    """Return by which scans tables were read: how often, and how many rows in all."""
    scans: Counter[tuple[str, str, str]] = Counter()
    rows: Counter[tuple[str, str, str]] = Counter()
    for line in (line for plan in plans for line in plan.splitlines()):
        scan, actual = SCAN.search(line), ACTUAL.search(line)
        if scan and actual:
            kind = (scan[3], scan[1], scan[2] or "")
            scans[kind] += int(actual[2])
            rows[kind] += round(float(actual[1]) * int(actual[2]))
    table = Table("table", "scan", "index", "times", "rows")
    for kind in sorted(scans):
        table.add_row(*kind, f"{scans[kind]:,}", f"{rows[kind]:,}")
    return table


def drain(transport: RestTransport, stop: float) -> int:
    """Enqueue, claim and finish until a time; return how many jobs that were."""
    done = 0
    while time.monotonic() < stop:
        jobs = tuple(NewJob("work", {"n": n}, queue="drain") for n in range(AT_ONCE))
        transport.send(EnqueueJobs(jobs))
        claim = ClaimJobTasks(
            *(str(uuid4()), "w", ("drain",), ("work",), AT_ONCE, 0, 60.0, {}, ()),
        )
        tasks = transport.send(claim).tasks
        transport.send(FinishJobTasks("w", tuple(FinishedTask(task.ref, "done") for task in tasks)))
        done += len(tasks)
    return done


def watch(url: str, since: datetime, stopped: threading.Event) -> None:
    """Count as a watch does, now and every ten seconds."""
    with psycopg.connect(url, autocommit=True) as session:
        database = Database(session)
        while True:
            close_all(database, since)
            read_all(database, since)
            if stopped.wait(EVERY_SECONDS):
                return


def measure_hot_path(stack: Stack, since: datetime, seconds: float, pairs: int) -> tuple[float, float]:
    """Return the rate while a watch works over the rate without one, the median of pairs; and the latter."""
    settings = Settings(url=stack.url, service_role_key=stack.service_role_key)
    ratios, rates = [], []
    with RestTransport(settings) as transport:
        drain(transport, time.monotonic() + seconds / 4)
        for _ in range(pairs):
            alone = drain(transport, time.monotonic() + seconds)
            stopped = threading.Event()
            thread = threading.Thread(target=watch, args=(stack.superuser_url, since, stopped))
            thread.start()
            watched = drain(transport, time.monotonic() + seconds)
            stopped.set()
            thread.join()
            ratios.append(watched / alone)
            rates.append(alone / seconds)
    return statistics.median(ratios), statistics.median(rates)


def measure(jobs: int, seconds: float, pairs: int, *, plans: bool) -> Figures:
    """Fill a stack, and make every measurement on it; with plans, show these in place of the hot path."""
    with tempfile.TemporaryDirectory(prefix="supaqueue-gate-") as name, Stack(Path(name)) as stack:
        Migrator(stack.database_url).apply()
        with psycopg.connect(stack.superuser_url, autocommit=True) as session:
            fill(session, jobs)
            since = datetime.now(UTC) - timedelta(hours=HOURS)
            database = Database(session)
            calls = []
            cold = database.spent(lambda: calls.append(close_all(database, since)))
            forget_the_last(session, 3)
            look = database.spent(lambda: close_all(database, since))
            database.bytes = 0
            read = database.spent(lambda: read_all(database, since))
            size = database.bytes
            kept, rate = 1.0, 0.0
            if plans:
                forget_the_last(session, 3)
                found = plans_of(session, lambda: (close_all(database, since), read_all(database, since)))
                print("\n".join(found))
                Console().print(summary_of(found))
            else:
                kept, rate = measure_hot_path(stack, since, seconds, pairs)
        stack.remove()
    return Figures(jobs, cold, calls[0], look, read, size, kept, rate)


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="100,000 jobs, and a short look at the hot path")
    parser.add_argument("--jobs", type=int, help="how many")
    parser.add_argument("--plans", action="store_true", help="print the plans of a look, not the hot path")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    size = (100_000, 4.0, 1) if options.quick else (1_000_000, 30.0, 5)
    figures = measure(options.jobs or size[0], *size[1:], plans=options.plans)
    if options.json:
        print(json.dumps(asdict(figures)))
    else:
        Console().print(_table(figures))
    decided = figures.look_seconds + figures.read_seconds
    return 0 if decided < BAR_SECONDS and figures.kept > BAR_RATIO else 1


def _table(figures: Figures) -> Table:
    table = Table("", "measured", "bar")
    decided = figures.look_seconds + figures.read_seconds
    rows = (
        ("jobs", f"{figures.jobs:,}", ""),
        ("count everything at once, s", f"{figures.cold_seconds:.2f} ({figures.cold_calls} calls)", ""),
        ("count what is due after 3 minutes, s", f"{figures.look_seconds:.3f}", ""),
        ("read everything, s", f"{figures.read_seconds:.2f} ({figures.read_bytes / 1e6:.1f} MB)", ""),
        ("decide: count what is due and read, s", f"{decided:.2f}", f"{BAR_SECONDS:g}"),
    )
    hot_path = (
        ("jobs a second, enqueued, claimed, finished", f"{figures.rate:,.0f}", ""),
        ("of that left with a watch every 10 s", f"{figures.kept:.2f}", f"{BAR_RATIO:g}"),
    )
    for row in (*rows, *(hot_path if figures.rate else ())):
        table.add_row(*row)
    return table


if __name__ == "__main__":
    sys.exit(main())
