"""The demo's worker processes, and the killing of one of them while it is inside handlers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg

from supaqueue.errors import SupaqueueError

QUEUE = "demo"
LEASE_SECONDS = 3


def start_worker(environ: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Starts one worker process as a user would; its log goes to a file."""
    command = [sys.executable, "-m", "supaqueue", "worker", "supaqueue.cli.demo.handlers:registry"]
    options = ["--queue", QUEUE, "--concurrency", "8", "--lease-seconds", str(LEASE_SECONDS)]
    with log.open("wb") as output:
        return subprocess.Popen(
            [*command, *options], env={**os.environ, **environ}, stdout=output, stderr=output, cwd=log.parent
        )


def stop_worker(worker: subprocess.Popen[bytes]) -> None:
    """Stops a worker gracefully, by force after half a minute."""
    if worker.poll() is None:
        worker.terminate()
        try:
            worker.wait(30)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def kill_inside_handlers(
    worker: subprocess.Popen[bytes], database_url: str, all_ended: Callable[[], bool]
) -> int:
    """Kills a worker with -9 while the database knows it to be inside handlers.

    The worker is frozen first (SIGSTOP), so that what the database says of it still holds when it is killed.

    Returns:
        The number of tasks that it held.

    Raises:
        SupaqueueError: if the work was done before the worker was ever seen inside a handler.
    """
    with psycopg.connect(database_url, autocommit=True) as connection:
        while not all_ended():
            worker.send_signal(signal.SIGSTOP)
            held = _held_when_quiet(connection, worker.pid)
            if held:
                worker.kill()
                worker.wait()
                return held
            worker.send_signal(signal.SIGCONT)
            time.sleep(0.02)
    raise SupaqueueError("all files were done before a worker could be killed: run it again")


def _held_when_quiet(connection: psycopg.Connection[tuple[object, ...]], process_id: int) -> int:
    """Tasks that the frozen worker holds, once no call of it is under way; 0 if none is inside a handler."""
    before = None
    while True:
        row = connection.execute(
            "select count(*) filter (where t.status = 'processing'), count(*), max(t.lease_token)"
            " from job_tasks t join job_workers w using (worker_id)"
            " where w.process_id = %s and t.status in ('claimed', 'processing')",
            [process_id],
        ).fetchone()
        assert row is not None
        if row == before:
            return int(str(row[1])) if row[0] else 0
        before = row
        time.sleep(0.03)
