"""Workers of old queues, as processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import redis

from tests.process_sessions import end_session
from tests.worker.waiting import until

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class LegacyProcess:
    """A worker in a session of its own, with its log."""

    process: subprocess.Popen[bytes]
    log: Path

    def wait_for(self, text: str) -> None:
        """Return when its log has this text."""
        until(lambda: self._alive() and text in self.text(), f"{text!r} in {self.log}")

    def text(self) -> str:
        """What it has logged."""
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """Kill it and its children with -9, and return when they have gone."""
        end_session(self.process)

    def _alive(self) -> bool:
        assert self.process.poll() is None, self.text()[-3000:]
        return True


@contextmanager
def legacy_process(
    words: Sequence[str], url: str, log: Path, told: Mapping[str, str] = MappingProxyType({})
) -> Iterator[LegacyProcess]:
    """Start `python` with these words, and `told` in its environment; kill what is left of it at the end."""
    environment = {**os.environ, "TEST_BROKER_URL": url, "PYTHONPATH": str(ROOT), "C_FORCE_ROOT": "1", **told}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=ROOT,
            env=environment,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    started = LegacyProcess(process, log)
    try:
        yield started
    finally:
        started.kill()


def celery_worker(url: str, log: Path, pool: str) -> list[str]:
    """The words that start a Celery worker."""
    return [
        *("-m", "celery", "--app", "tests.cutover.celery_app", "worker", "--pool", pool),
        *("--concurrency", "2" if pool == "prefork" else "1", "--hostname", f"{log.stem}@test"),
        *("--loglevel", "info", "--without-gossip", "--without-mingle"),
    ]


def bullmq_worker(kind: str, stalls: int = 5) -> list[str]:
    """The words that start a BullMQ worker with a `registry` or an `old` processor."""
    return ["-m", "tests.cutover.bullmq_worker", kind, str(stalls)]


def seen_by(client: redis.Redis, job_id: str) -> list[str]:
    """What handlers noted of a job."""
    return [note.decode() for note in client.lrange(f"seen:{job_id}", 0, -1)]
