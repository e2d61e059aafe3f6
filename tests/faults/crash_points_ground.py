"""What a process of these tests works with: Supabase, one legacy queue, the spool, and who notes what ran."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from supaqueue.cutover.legacy.folder import folder_queue
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.settings import Settings
from supaqueue.worker import Context, Registry

Kind = Literal["folder", "rq", "celery", "bullmq"]
TASK_TYPE = "count"
LEASE_SECONDS = 2.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Ground:
    """Where things are. `broker_url`: the Redis of a legacy queue that lives in one."""

    kind: Kind
    url: str
    key: str
    root: Path
    queue_name: str
    broker_url: str = ""

    @property
    def settings(self) -> Settings:
        """Where Supabase is."""
        return Settings(url=self.url, service_role_key=self.key)

    @property
    def witness(self) -> Path:
        """Gets a line from each handler that begins."""
        return self.root / "witness" / "runs"

    @property
    def spool(self) -> Path:
        """The spool's folder."""
        return self.root / "spool"

    def legacy(self, clock: Callable[[], datetime] = _utc_now) -> LegacyQueue:
        """Open the legacy queue; `clock` is the folder's, the others go by their server's."""
        if self.kind == "folder":
            return folder_queue(self.root / "legacy", clock=clock)
        from tests.faults.crash_points_brokers import redis_queue

        return redis_queue(self)

    def registry(self, system: Literal["supabase", "legacy"]) -> Registry:
        """The one handler, as `system` runs it: before anything else it notes that it begins."""
        registry = Registry()

        @registry.task(TASK_TYPE)
        def count(payload: object, context: Context) -> str:
            note(self.witness, f"{context.job_id} {system} {os.getpid()}\n")
            return "done"

        return registry


def note(path: Path, line: str) -> None:
    """Append a line, and wait until it is on disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
