"""How long each call of a hand-back takes, with a million jobs waiting, half of them for their time.

A real stack, the calls over HTTP as the command makes them; then a pass that finds nothing: the last one.
With `--old-snapshot` another session holds a snapshot all the while, as a long report does, so that no dead
entry of an index can be removed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import psycopg
from rich.console import Console
from rich.table import Table

from supaqueue.contract import HandBackJobs, HandedBack, ListMirrors
from supaqueue.devstack import Stack
from supaqueue.maintain.migrate import Migrator
from supaqueue.settings import Settings
from supaqueue.transport import RestTransport

BAR_SECONDS = 2.0
FILL = """
set session_replication_role = replica;
create unlogged table waiting as
    select n, format('%s-0000-7000-8000-00000000%s', lpad(to_hex(n), 8, '0'),
        lpad(to_hex(n % 10000), 4, '0'))::uuid as job_id
    from generate_series(1, {jobs}) as n;
insert into jobs (job_id, queue, task_type, bucket, content_hash, mirror_state)
    select job_id, 'mail', 'send', n % 10000, sha256(''), 'written' from waiting;
insert into job_tasks (job_id, queue, task_type, payload, position, run_at)
    select job_id, 'mail', 'send', jsonb_build_object('text', repeat('x', 200)),
        case when n % 2 = 0 then nextval('job_task_position') end, now() + (n % 2) * interval '1 day'
    from waiting order by n;
drop table waiting;
reset session_replication_role;
analyze jobs, job_tasks
"""
BEGIN = """
update feature_flag set stage = 'live', updated_by = 'benchmark';
update feature_flag set is_enabled = false, rollout_percent = 0, hand_back = 'not_started'
"""
PUBLISHED = "update jobs set mirror_state = 'released' where mirror_state = 'release_due'"
"""What a relay does, job by job."""


@dataclass
class Figures:
    """What a run came to; times are seconds, of calls that moved jobs unless they say otherwise."""

    jobs: int
    old_snapshot: bool
    calls: int
    median: float
    worst: float
    total: float
    calls_of_last_pass: int
    worst_of_last_pass: float
    last_pass: float
    worst_of_relays_look: float


class HandBack:
    """Passes of a hand-back, and how long each of their calls took."""

    def __init__(self, transport: RestTransport) -> None:
        self._transport = transport

    def run(self) -> tuple[int, HandedBack, list[float]]:
        """Make one pass; return how many jobs it moved, its last answer, and the seconds of its calls."""
        seconds: list[float] = []
        reply = self._timed(HandBackJobs(), seconds)
        moved = reply.moved
        while reply.next is not None:
            reply = self._timed(HandBackJobs(reply.next), seconds)
            moved += reply.moved
        return moved, reply, seconds

    def look_for_release_due(self) -> list[float]:
        """List what is to be released, as a relay does when all was; return the seconds of its calls."""
        seconds: list[float] = []
        page: str | None = None
        while page is not None or not seconds:
            began = time.perf_counter()
            page = self._transport.send(ListMirrors("release_due", page)).next_page
            seconds.append(time.perf_counter() - began)
        return seconds

    def _timed(self, call: HandBackJobs, seconds: list[float]) -> HandedBack:
        began = time.perf_counter()
        reply = self._transport.send(call)
        seconds.append(time.perf_counter() - began)
        return reply


@contextmanager
def snapshot_held(address: str, is_held: bool) -> Iterator[None]:
    """Hold a snapshot, if so, as a long report does."""
    with psycopg.connect(address) as report:
        if is_held:
            report.execute("set transaction isolation level repeatable read")
            report.execute("select count(*) from feature_flag")
        yield


def measure(jobs: int, old_snapshot: bool) -> Figures:
    """Start a stack, let so many jobs wait, and send them all back."""
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder) / "stack") as stack:
        Migrator(stack.database_url).apply()
        with psycopg.connect(stack.superuser_url, autocommit=True) as superuser:
            for statement in (*FILL.format(jobs=jobs).split(";\n"), *BEGIN.split(";\n")):
                superuser.execute(statement.encode())
            settings = Settings(url=stack.url, service_role_key=stack.service_role_key)
            with RestTransport(settings) as transport, snapshot_held(stack.superuser_url, old_snapshot):
                hand_back = HandBack(transport)
                moved, _, seconds = hand_back.run()
                superuser.execute(PUBLISHED)
                again, last, last_seconds = hand_back.run()
                look_seconds = hand_back.look_for_release_due()
        stack.remove()
    if (moved, again, last.done) != (jobs, 0, True):
        raise SystemExit(f"{moved} of {jobs} jobs went back, then {again}; done: {last.done}")
    return Figures(
        jobs,
        old_snapshot,
        len(seconds),
        median(seconds),
        max(seconds),
        sum(seconds),
        len(last_seconds),
        max(last_seconds),
        sum(last_seconds),
        max(look_seconds),
    )


def main() -> int:
    """Run, print the figures, and return 1 if a call took longer than the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--old-snapshot", action="store_true", help="hold one in another session")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.jobs, options.old_snapshot)
    if options.json:
        print(json.dumps(asdict(figures)))
    else:
        table = Table("", "seconds")
        for name, value in asdict(figures).items():
            table.add_row(
                name.replace("_", " "), f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"
            )
        Console().print(table)
    return int(max(figures.worst, figures.worst_of_last_pass, figures.worst_of_relays_look) > BAR_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
