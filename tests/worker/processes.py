"""Worker processes, started as a user starts them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supaqueue.devstack import Stack
from tests.worker.waiting import DEADLINE_SECONDS, until

HANDLERS = Path(__file__).parent


@dataclass(frozen=True)
class WorkerProcess:
    """One `supaqueue worker`, whose log is JSON."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def freeze(self) -> None:
        """Stop it with SIGSTOP, and return when it stands still."""
        self.process.send_signal(signal.SIGSTOP)
        until(
            lambda: Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", "SIGSTOP"
        )

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it with -9, and return when it has gone."""
        self.process.kill()
        self.process.wait(DEADLINE_SECONDS)

    def terminate(self) -> int:
        """Ask it to stop, and return its exit code."""
        self.process.terminate()
        return self.process.wait(DEADLINE_SECONDS)

    def has_entered(self, folder: Path) -> bool:
        """Whether it is, or was, inside a handler that waits for the gate in this folder."""
        return (folder / f"entered-{self.pid}").exists()

    def logged(self, message: str) -> list[dict[str, Any]]:
        """The records of its log with this message, for example an event's name."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["message"] == message]


def start_worker(environ: Mapping[str, str], log: Path, queue: str, *options: str) -> WorkerProcess:
    """Start one worker process for a queue; `environ` says where the queue is."""
    command = [sys.executable, "-m", "supaqueue", "worker", "job_handlers:registry", "--queue", queue]
    command += ["--log-format", "json", "--log-level", "debug", *options]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **environ}, cwd=HANDLERS, stdout=output, stderr=output
        )
    return WorkerProcess(process, log)


@contextlib.contextmanager
def killed_at_the_end(workers: list[WorkerProcess]) -> Iterator[None]:
    """Whatever becomes of the test, none of these processes outlives it."""
    try:
        yield
    finally:
        for worker in workers:
            worker.kill()


def environment(stack: Stack, url: str | None = None) -> dict[str, str]:
    """What a worker process needs to reach a stack, directly or through a proxy's address."""
    return {"SUPABASE_URL": url or stack.url, "SUPABASE_SERVICE_ROLE_KEY": stack.service_role_key}
