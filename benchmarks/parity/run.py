"""How long a parity check of a million job pairs takes, and in how much memory.

Supabase against the index of a folder of JSON files, payloads of 200 bytes, caches warm: the check runs
twice, and the second run counts. It is the command as a user types it, in a process of its own. One payload
is changed, so that a check that finds nothing is seen to be broken.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from supaqueue.cutover.legacy.folder import folder_queue
from supaqueue.devstack import Stack
from supaqueue.maintain.migrate import Migrator

BAR_SECONDS = 60.0
BAR_MEGABYTES = 300.0
FILL = """
set session_replication_role = replica;
create unlogged table pairs as
    select n, {job_id}::uuid as job_id, timestamptz '{began}' + n * interval '1 ms' as at
    from generate_series(1, {jobs}) as n;
insert into jobs (job_id, queue, task_type, status, owner, bucket, content_hash, created_at,
        owner_outcome, owner_ended_at)
    select job_id, 'mail', 'send', 'mirrored', 'legacy', n % 10000, sha256(''), at,
        jsonb_build_object('status', 'completed', 'result', jsonb_build_object('sent', n), 'attempts', 1,
            'ended_at', at + interval '1 s'), at + interval '2 s'
    from pairs order by n;
insert into job_tasks (job_id, queue, task_type, status, payload, run_at)
    select job_id, 'mail', 'send', 'mirrored', jsonb_build_object('n', n, 'text', repeat('x', 180)), at
    from pairs order by n;
drop table pairs;
reset session_replication_role;
update job_tasks set payload = payload || '{{"n": -1}}'
    where job_id = (select job_id from jobs order by created_at limit 1);
analyze jobs, job_tasks
"""
JOB_ID = (
    "(lpad(to_hex((n * 2654435761) % 4294967296), 8, '0') || '-0000-7000-8000-00000000'"
    " || lpad(to_hex(n % 10000), 4, '0'))"
)


@dataclass
class Figures:
    """What a run came to; `listed` and the rest is of the second check."""

    jobs: int
    seconds: float
    megabytes: float
    exit_code: int
    classes: dict[str, int]


def fill_supabase(database_url: str, jobs: int, began: datetime) -> None:
    """Store inert copies of jobs that legacy ended."""
    with psycopg.connect(database_url, autocommit=True) as database:
        for statement in FILL.format(jobs=jobs, job_id=JOB_ID, began=began.isoformat()).split(";\n"):
            database.execute(statement.encode())


def fill_legacy(folder: Path, jobs: int, began: datetime) -> None:
    """Let the folder's index know the same jobs, as its own workers would have left them."""
    queue = folder_queue(folder)
    queue.index.count()  # makes the file
    queue.close()
    with sqlite3.connect(folder / "index.sqlite") as database:
        database.executemany(
            "insert into job (job_id, content, owner, epoch, state, accepted_at, starts, ending, ended_at)"
            " values (?, ?, 'legacy', 0, 'published', ?, 1, ?, ?)",
            _rows(jobs, began),
        )


def _rows(jobs: int, began: datetime) -> Iterator[tuple[object, ...]]:
    first = (began - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    for n in range(1, jobs + 1):
        job_id = f"{n * 2654435761 % 4294967296:08x}-0000-7000-8000-00000000{n % 10000:04x}"
        at = first + 1000 * n
        payload = {"n": n, "text": "x" * 180}
        content = {"job_id": job_id, "queue": "mail", "task_type": "send", "payload": payload}
        ending = {"status": "completed", "result": {"sent": n}, "error": None, "attempts": 1}
        text = json.dumps(content | {"payload_bytes": 200}, sort_keys=True)
        yield job_id, text, at, json.dumps(ending), at + 1_000_000


def check(stack: Stack, folder: Path) -> tuple[float, float, int, str]:
    """Type the command; return seconds, the peak of its memory in MB, its exit code, and what it printed."""
    command = [sys.executable, "-m", "supaqueue", "parity", "check", "--since", "2d", "--json"]
    env = os.environ | stack.env() | {"SUPAQUEUE_LEGACY": f"folder:{folder}"}
    with tempfile.TemporaryFile() as printed:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=printed, env=env)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        return seconds, used.ru_maxrss / 1024, process.returncode, printed.read().decode()


def measure(jobs: int) -> Figures:
    """Fill both systems, and compare them twice."""
    began = datetime.now(UTC) - timedelta(days=1)
    with (
        tempfile.TemporaryDirectory(prefix="supaqueue-parity-") as name,
        Stack(Path(name) / "stack") as stack,
    ):
        Migrator(stack.database_url).apply()
        fill_supabase(stack.superuser_url, jobs, began)
        folder = Path(name) / "legacy"
        fill_legacy(folder, jobs, began)
        check(stack, folder)
        seconds, megabytes, exit_code, printed = check(stack, folder)
        stack.remove()
    return Figures(jobs, seconds, megabytes, exit_code, json.loads(printed)["classes"])


def main() -> None:
    """Measure, print, and fail if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.jobs)
    if options.json:
        print(json.dumps(asdict(figures)))
    else:
        table = Table("", "measured", "bar")
        table.add_row("pairs", f"{figures.jobs:,}", "")
        table.add_row("seconds", f"{figures.seconds:.1f}", f"{BAR_SECONDS:.0f}")
        table.add_row("MB resident at most", f"{figures.megabytes:.0f}", f"{BAR_MEGABYTES:.0f}")
        table.add_row("classes", str(figures.classes), "")
        Console().print(table)
    found_it = figures.classes == {"payload_diff": 1, "match": figures.jobs - 1}
    met = figures.seconds < BAR_SECONDS and figures.megabytes < BAR_MEGABYTES
    sys.exit(0 if found_it and met else 1)


if __name__ == "__main__":
    main()
