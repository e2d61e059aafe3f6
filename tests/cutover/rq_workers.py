"""Real `rq worker` processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import redis

ROOT = Path(__file__).parents[2]
JOBS = "tests.cutover.rq_jobs"
DEADLINE_SECONDS = 60.0


def until(condition: Callable[[], bool], what: str) -> None:
    """Return once the condition holds; fail if it does not in time."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


class RqWorker:
    """One worker with its scheduler, in a session of its own; its jobs run in processes that it forks."""

    def __init__(self, url: str, directory: Path, *, lease_seconds: float, queue: str = "default") -> None:
        self.name = f"worker-{time.monotonic_ns()}"
        self._log = directory / f"{self.name}.log"
        command = ["-m", "rq.cli", "worker", queue, "--url", url, "--name", self.name, "--with-scheduler"]
        environment = {
            **os.environ,
            "RQ_JOBS_REDIS": url,
            "RQ_JOBS_LEASE_SECONDS": str(lease_seconds),
            "PYTHONPATH": str(ROOT),
        }
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        """What it wrote."""
        return self._log.read_text(errors="replace")

    def children(self) -> list[int]:
        """Processes that it forked: its scheduler, and what runs a job at the moment."""
        task = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [int(word) for word in task.read_text().split()]

    def horse(self, client: redis.Redis, job_id: str) -> int:
        """The process that runs a job: it leads a process group, unlike the scheduler."""
        assert client.hget(f"rq:job:{job_id}", "worker_name") == self.name.encode()
        [horse] = [pid for pid in self.children() if os.getpgid(pid) == pid]
        return horse

    def kill(self) -> None:
        """Kill -9, with all that it forked."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)  # stopped: it forks no more, and reaps nothing
        for pid in (*self.children(), self._process.pid):
            os.kill(pid, signal.SIGKILL)
        self._process.wait(DEADLINE_SECONDS)

    def stop(self) -> None:
        """Stop it, whatever it runs."""
        if self._process.poll() is None:
            self.kill()
