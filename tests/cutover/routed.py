"""A router over a real database and a real folder queue, with a line to the database that can fail."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from supaqueue.contract import Call
from supaqueue.cutover.async_router import AsyncDualWriteQueue
from supaqueue.cutover.legacy.entry import Entry
from supaqueue.cutover.legacy.folder import folder_queue
from supaqueue.cutover.relay import Relay
from supaqueue.cutover.rollout import Rollout
from supaqueue.cutover.router import DualWriteQueue
from supaqueue.cutover.spool import Spool
from supaqueue.cutover.switches import Switches
from supaqueue.devstack import Stack
from supaqueue.errors import QueueUnavailable
from supaqueue.settings import Settings
from supaqueue.telemetry import Event, Telemetry
from supaqueue.transport import RestTransport
from tests.contract.conftest import Blocking

HIGH, LOW = 9_000, 10
"""Buckets: of what legacy owns at a canary of 50 percent, and of what Supabase does."""


class Line:
    """Carries calls to the database; `fault` says what becomes of them.

    refused: they are not sent. lost: they are, and the answer is lost. silent: nothing until `wake` is set.
    """

    def __init__(self, inner: RestTransport) -> None:
        self.inner = inner
        self.fault: str | None = None
        self.wake = threading.Event()
        self.sent: list[Call[Any]] = []

    def send(self, call: Call[Any]) -> Any:
        self.sent.append(call)
        if self.fault == "refused":
            raise QueueUnavailable("refused", call=call.function, committed="no", retryable=True)
        if self.fault == "silent":
            self.wake.wait(30)
            raise QueueUnavailable("silent", call=call.function, committed="unknown", retryable=True)
        answer = self.inner.send(call)
        if self.fault == "lost":
            raise QueueUnavailable("lost", call=call.function, committed="unknown", retryable=True)
        return answer

    def close(self) -> None:
        self.wake.set()
        self.inner.close()


class AsyncLine:
    """The same line, for an event loop."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def send(self, call: Call[Any]) -> Any:
        return await asyncio.to_thread(self._line.send, call)

    async def aclose(self) -> None:
        self._line.close()


@dataclass
class World:
    """Everything that a test of the router touches."""

    stack: Stack
    folder: Path
    runner: asyncio.Runner | None
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = Settings.load(self.stack.env(), dotenv=None)
        self.line = Line(RestTransport(settings))
        self.legacy = folder_queue(self.folder / "legacy")
        self.spool = Spool(self.folder / "spool")
        self._flags_line = RestTransport(settings)
        self.database = psycopg.connect(self.stack.superuser_url, autocommit=True)
        self.database.execute("set session_replication_role = replica")
        self.database.execute("truncate jobs, job_tasks, job_task_attempts")
        self.database.execute("delete from feature_flag where task_type is not null")
        self.now = 0.0
        self.rollout = Rollout(
            self._flags_line, clock=lambda: self.now, first_wait_seconds=30, kept_seconds=1e9
        )

    def close(self) -> None:
        self.line.close()
        self._flags_line.close()
        self.database.close()

    def flag(self, stage: str, percent: float, *, seen: bool = True, **columns: Any) -> None:
        """Let the flag stand so, whatever steps would lead there; `seen` by the router at once."""
        given = {
            "stage": stage,
            "rollout_percent": percent,
            "is_enabled": stage in ("canary", "live", "complete"),
            "holdback_percent": 0,
            "raised_at": None,
            "by_environment": False,
            "routes_by_tenant": False,
            "supabase_tenants": [],
            "legacy_tenants": [],
        } | columns
        assignments = ", ".join(f"{name} = %({name})s" for name in given)
        self.database.execute(
            f"update feature_flag set {assignments} where flag_name = 'supabase_queue'".encode(), given
        )
        if seen:
            self.now += 0.001
            self.rollout.refresh()

    def queue(self, **options: Any) -> Any:
        """A router of the test's colour."""
        given: dict[str, Any] = {
            "switches": Switches(),
            "spool": self.spool,
            "rollout": self.rollout,
            "telemetry": Telemetry([self.events.append]),
        } | options
        if self.runner is None:
            return DualWriteQueue(self.legacy, transport=self.line, **given)
        return Blocking(
            AsyncDualWriteQueue(self.legacy, transport=AsyncLine(self.line), **given), self.runner
        )

    def relay(self) -> Relay:
        return Relay(self.line.inner, self.legacy, self.spool)

    def row(self, job_id: str) -> tuple[str, str, int] | None:
        """Owner, status and epoch of a job in Supabase."""
        return self.database.execute(
            "select owner, status, epoch from jobs where job_id = %s", [str(job_id)]
        ).fetchone()  # type: ignore[return-value]

    def entry(self, job_id: str) -> Entry | None:
        return self.legacy.get([str(job_id)])[0]

    def legacys(self, job_id: str) -> tuple[str, str] | None:
        """Owner and state of a job in legacy."""
        entry = self.entry(job_id)
        return None if entry is None else (entry.owner, entry.state)

    def messages(self, job_id: str) -> int:
        """How many messages wait in legacy that would run the job."""
        return sum(
            one.stamp is not None and one.stamp.job_id == str(job_id) for one in self.legacy.broker.waiting()
        )

    def told(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]
