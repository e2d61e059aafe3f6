"""Real `rq worker` processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import redis

from tests.process_sessions import end_session, members
from tests.worker.waiting import DEADLINE_SECONDS

ROOT = Path(__file__).parents[2]
JOBS = "tests.cutover.rq_jobs"


class RqWorker:
    """One worker with its scheduler, in a session of its own; its jobs run in processes that it forks."""

    def __init__(self, url: str, directory: Path, *, lease_seconds: float, worker_ttl: int = 60) -> None:
        self.name = f"worker-{time.monotonic_ns()}"
        self._log = directory / f"{self.name}.log"
        command = ["-m", "rq.cli", "worker", "default", "--url", url, "--name", self.name, "--with-scheduler"]
        command += ["--worker-ttl", str(worker_ttl), "--maintenance-interval", "60"]
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

    def parts(self) -> list[int]:
        """It, its scheduler, and what runs a job at the moment, as far as they run."""
        return members(self._process.pid)

    def horse(self, client: redis.Redis, job_id: str) -> int:
        """The process that runs a job: it leads a process group, unlike the scheduler."""
        assert client.hget(f"rq:job:{job_id}", "worker_name") == self.name.encode()
        forked = [pid for pid in self.parts() if pid != self._process.pid]
        [horse] = [pid for pid in forked if os.getpgid(pid) == pid]
        return horse

    def kill_alone(self) -> None:
        """Kill -9 the worker itself: what it forked lives on."""
        self._process.kill()
        self._process.wait(DEADLINE_SECONDS)

    def kill(self) -> None:
        """Kill -9, with all that it forked."""
        end_session(self._process)

    def stop(self) -> None:
        """End it and all that it forked, whatever has become of it."""
        end_session(self._process)
