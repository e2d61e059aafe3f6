"""Worker processes of a load test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self

from supaqueue.errors import SupaqueueError
from supaqueue.settings import Settings

STOP_SECONDS = 15.0


class WorkerEnded(SupaqueueError):
    """A worker of the load test's ended by itself."""


class OwnWorkers:
    """Starts so many worker processes for a queue, and stops them at the end of the block, or when it dies.

    Args:
        count: how many; 0 is none.
        concurrency: handlers that run at the same time in each.
        settings: where the queue is; the keys go by the environment.
    """

    def __init__(self, count: int, concurrency: int, queue: str, settings: Settings) -> None:
        self._count, self._arguments = count, [queue, str(concurrency)]
        self._environ = os.environ | {"SUPABASE_URL": settings.url}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._logs: list[IO[bytes]] = []

    def __enter__(self) -> Self:
        for _ in range(self._count):
            self._logs.append(TemporaryFile())  # without a name: a kill leaves none behind
            self._processes.append(self._start(self._logs[-1]))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        for log in self._logs:
            log.close()

    def check(self) -> None:
        """Refuse to go on without them.

        Raises:
            WorkerEnded: one has ended; with what it said last.
        """
        for process, log in zip(self._processes, self._logs, strict=True):
            if process.poll() is not None:
                log.seek(0)
                lines = log.read().decode(errors="replace").strip().splitlines()
                last = lines[-1] if lines else "it said nothing"
                raise WorkerEnded(f"a worker of the load test ended: {last}")

    def stop(self) -> None:
        """Let them end gracefully; those that take long are killed."""
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.close()
        for process in self._processes:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        module = "supaqueue.cli.loadtest.worker_process"
        # In a session of its own: Ctrl+C is for the load test, which lets its workers go on to the end.
        return subprocess.Popen(
            [sys.executable, "-m", module, *self._arguments],
            env=self._environ,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
