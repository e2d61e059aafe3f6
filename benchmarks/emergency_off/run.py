"""The runbook's emergency UPDATE while workers claim: what is leased after its commit, and how long it takes.

Sessions claim as fast as they can, straight from Postgres, one task each. Meanwhile the UPDATE switches off,
is looked at, and is taken back, over and over: with nobody claiming, with claims, and with claims while an
application's transaction is open that has enqueued. Whether a lease came after the UPDATE is told by
Postgres' own times of commit. `--without-lock` takes the claim's lock away: then leases come after it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal
from uuid import uuid4

import psycopg
from psycopg.types.json import Jsonb
from rich.console import Console
from rich.table import Table

from supaqueue import NewJob, Queue, Settings
from supaqueue.contract import ChangeFeatureFlag, ClaimJobTasks, FlagChange
from supaqueue.devstack import Stack
from supaqueue.job_id import new_job_id
from supaqueue.maintain.migrate import Migrator
from supaqueue.transport import RestTransport

EMERGENCY = """
update feature_flag set is_enabled = false, rollout_percent = 0, updated_by = 'on call'
where flag_name = 'supabase_queue'
"""
CLAIM = """
select claim_job_tasks_v1(request_id => %(request_id)s::uuid, worker_id => %(worker_id)s,
    queues => %(queues)s, task_types => %(task_types)s, want => %(want)s, holding => %(holding)s,
    lease_seconds => %(lease_seconds)s, marks => %(marks)s, started => %(started)s,
    contract_version => %(contract_version)s)
"""
# Nothing but its lease has changed a claimed task here: the version of its row tells the lease's commit.
LEASED_AFTER = """
select count(*) from job_tasks where status = 'claimed' and pg_xact_commit_timestamp(xmin) > (
    select pg_xact_commit_timestamp(xmin) from feature_flag where flag_name = 'supabase_queue')
"""
WITHOUT_LOCK = "create or replace function supaqueue_lock_flag_shared() returns void language sql as ''"
OPEN: FlagChange = {"is_enabled": True, "rollout_percent": 50}
TASK_TYPE, QUEUE = "count", "drain"
CLAIMS_BETWEEN = 30
"""Claims that are answered, by all sessions together, before and after each UPDATE."""


@dataclass
class Series:
    """UPDATEs of one kind. Times are milliseconds, from sending one until it has committed."""

    name: str
    claims: int = 0
    leased: int = 0
    leased_after: int = 0
    milliseconds: list[float] = field(default_factory=list)

    @property
    def figures(self) -> dict[str, Any]:
        """What is worth printing."""
        return {
            "updates": len(self.milliseconds),
            "claims": self.claims,
            "leased": self.leased,
            "leased_after": self.leased_after,
            "update_ms_median": round(median(self.milliseconds), 2),
            "update_ms_worst": round(max(self.milliseconds), 2),
        }


class Claimer(threading.Thread):
    """One session that claims, one task at a time, until it is told to stop."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.claims = self.leased = 0
        self.stopping = threading.Event()
        self._url = url
        self._worker_id = f"claimer-{uuid4().hex[:8]}"
        self._marks: dict[str, Any] = {}

    def run(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as session:
            while not self.stopping.is_set():
                answer = session.execute(CLAIM, self._arguments()).fetchone()
                assert answer is not None
                self._marks = answer[0]["marks"]
                self.leased += len(answer[0]["tasks"])
                self.claims += 1

    def _arguments(self) -> dict[str, Any]:
        call = ClaimJobTasks(str(uuid4()), self._worker_id, (QUEUE,), (TASK_TYPE,), 1, 0, 3600.0, self._marks)
        given = call.arguments()
        return given | {name: Jsonb(given[name]) for name in ("marks", "started")}


class Site:
    """A database with tasks that wait, its flag, and who claims."""

    def __init__(self, stack: Stack, sessions: int) -> None:
        self.url = stack.superuser_url
        self.database = psycopg.connect(self.url, autocommit=True)
        self._transport = RestTransport(Settings(url=stack.url, service_role_key=stack.service_role_key))
        self._sessions = sessions

    def fill(self, tasks: int) -> None:
        """Begin a cutover, then enqueue tasks that Supabase owns."""
        self.change({"stage": "off", "is_enabled": False, "rollout_percent": 0, "holdback_percent": 0})
        self.change({"stage": "mirror"})
        self.change(OPEN)
        jobs = [NewJob(TASK_TYPE, n, queue=QUEUE, job_id=new_job_id(bucket=0)) for n in range(tasks)]
        Queue(transport=self._transport).enqueue_many(jobs)
        self.database.execute("vacuum analyze")

    def change(self, change: FlagChange) -> None:
        """Change the flag as `supaqueue rollout` does."""
        self._transport.send(ChangeFeatureFlag(change, changed_by="benchmark"))

    @contextmanager
    def claiming(self) -> Iterator[list[Claimer]]:
        """Let sessions claim during the block."""
        claimers = [Claimer(self.url) for _ in range(self._sessions)]
        for claimer in claimers:
            claimer.start()
        try:
            yield claimers
        finally:
            for claimer in claimers:
                claimer.stopping.set()
            for claimer in claimers:
                claimer.join()

    @contextmanager
    def application(self) -> Iterator[None]:
        """Keep a transaction open, during the block, that has enqueued a job."""
        row = {"job_id": new_job_id(bucket=0), "queue": "other", "task_type": TASK_TYPE, "payload": 1}
        with psycopg.connect(self.url) as session:
            answer = session.execute("select enqueue_jobs_v1(%s, 1)", [Jsonb([row])]).fetchone()
            assert answer is not None
            assert answer[0][0]["answer"] == "created", answer
            yield

    def value(self, query: str) -> Any:
        """Return the one value that a query finds."""
        row = self.database.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


def switch_off(site: Site, claimers: list[Claimer], series: Series, *, is_enqueuing: bool) -> None:
    """Open, let claims come, switch off, let claims come, and look what was leased when."""
    site.change(OPEN)
    await_claims(claimers)
    with site.application() if is_enqueuing else nullcontext():
        began = time.perf_counter()
        site.database.execute(EMERGENCY)
        series.milliseconds.append((time.perf_counter() - began) * 1000)
    await_claims(claimers)
    series.leased_after += site.value(LEASED_AFTER)


def await_claims(claimers: list[Claimer]) -> None:
    """Return after so many more claims, and at least two of each session: the second began after this did."""
    total = sum(claimer.claims for claimer in claimers)
    each = [claimer.claims for claimer in claimers]
    while claimers and (
        sum(claimer.claims for claimer in claimers) < total + CLAIMS_BETWEEN
        or any(claimer.claims < before + 2 for claimer, before in zip(claimers, each, strict=True))
    ):
        assert all(claimer.is_alive() for claimer in claimers), "a session that claims has ended"
        time.sleep(0.001)


def measure(
    site: Site, kind: Literal["nobody claims", "claims", "claims, a transaction open"], claims: int
) -> Series:
    """Switch off until so many claims raced it; 50 times where there are none."""
    series = Series(kind)
    with site.claiming() if kind != "nobody claims" else nullcontext([]) as claimers:
        while series.claims < claims if claimers else len(series.milliseconds) < 50:
            switch_off(site, claimers, series, is_enqueuing=kind.endswith("open"))
            series.claims = sum(claimer.claims for claimer in claimers)
    series.leased = sum(claimer.leased for claimer in claimers)
    return series


def show(measured: list[Series]) -> None:
    table = Table("", *(series.name for series in measured))
    for name in measured[0].figures:
        table.add_row(name.replace("_", " "), *(f"{series.figures[name]:,}" for series in measured))
    Console().print(table)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=int, default=10_000, help="to race the UPDATE, in each series")
    parser.add_argument("--sessions", type=int, default=8, help="that claim")
    parser.add_argument("--without-lock", action="store_true", help="see what the lock is for")
    parser.add_argument("--quick", action="store_true", help="1,000 claims")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if options.quick:
        options.claims = 1_000
    return options


def main() -> int:
    options = read_options()
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder) / "stack", settings={"track_commit_timestamp": "on"})
        try:
            with stack:
                Migrator(stack.database_url).apply()
                site = Site(stack, options.sessions)
                site.fill(3 * options.claims)
                if options.without_lock:
                    site.database.execute(WITHOUT_LOCK)
                measured = [
                    measure(site, "nobody claims", 0),
                    measure(site, "claims", options.claims),
                    measure(site, "claims, a transaction open", options.claims),
                ]
                site.database.close()
        finally:
            stack.remove()
    if options.json:
        print(json.dumps({series.name: asdict(series) | series.figures for series in measured}))
    else:
        show(measured)
    return 0 if all(series.leased_after == 0 for series in measured) else 1


if __name__ == "__main__":
    sys.exit(main())
