"""`supaqueue loadtest` as a user types it, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from supaqueue.devstack import Stack

DEADLINE_SECONDS = 60.0


@dataclass(frozen=True)
class LoadTests:
    """Types the command, against a stack, in a folder without settings."""

    stack: Stack
    folder: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def end(self) -> None:
        """End what a test that failed has left."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Begin one."""
        env = os.environ | self.stack.env() | {"COLUMNS": "120", "NO_COLOR": "1"} | environ
        process = subprocess.Popen(
            [sys.executable, "-m", "supaqueue", "loadtest", *arguments],
            cwd=self.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run one to its end."""
        process = self.start(*arguments, **environ)
        out, err = process.communicate(timeout=240)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def json(self, *arguments: str, **environ: str) -> tuple[int, Any]:
        """Run one, and return its exit code and what it printed as JSON."""
        done = self.run(*arguments, "--json", **environ)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)


def rows(database: psycopg.Connection[Any], queue: str, status: str | None = None) -> int:
    """How many jobs a queue holds."""
    found = database.execute(
        "select count(*) from jobs where queue = %s and (%s::text is null or status = %s)",
        [queue, status, status],
    ).fetchone()
    assert found is not None
    return int(found[0])


def workers(database: psycopg.Connection[Any], queue: str) -> list[int]:
    """The process ids of workers that serve a queue and have not left."""
    found = database.execute(
        "select process_id from job_workers where %s = any (queues) and stopped_at is null", [queue]
    )
    return [row[0] for row in found]


def until(reached: Callable[[], Any], what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not reached():
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE_SECONDS:g} s"
        time.sleep(0.05)
