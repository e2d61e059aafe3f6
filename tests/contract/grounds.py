"""Where the suite runs: on the real stack, or on a database in memory. Time can be moved on both."""

from __future__ import annotations

from typing import Any, Protocol

import psycopg

from supaqueue.client import AsyncQueue, Queue
from supaqueue.devstack import Stack
from supaqueue.settings import DatabaseSettings, Settings
from supaqueue.testing import AsyncMemoryTransport, MemoryDatabase, MemoryTransport
from supaqueue.transport import AsyncTransport, Transport, open_async_transport, open_transport


class Ground(Protocol):
    """One database, and what reaches it."""

    @property
    def refusal_status(self) -> int | None:
        """The HTTP status of what a function refuses."""

    def transport(self) -> Transport:
        """Return a new transport for threads."""

    def async_transport(self) -> AsyncTransport:
        """Return a new transport for an event loop."""

    def queue(self) -> Queue:
        """Return a new client for threads."""

    def async_queue(self) -> AsyncQueue:
        """Return a new client for an event loop."""

    def advance(self, seconds: float) -> None:
        """Let so much time pass for the test's queue."""


class MemoryGround:
    """A database in memory that only this test uses."""

    refusal_status = 400

    def __init__(self) -> None:
        self._database = MemoryDatabase()

    def transport(self) -> MemoryTransport:
        return MemoryTransport(self._database)

    def async_transport(self) -> AsyncMemoryTransport:
        return AsyncMemoryTransport(self._database)

    def queue(self) -> Queue:
        return Queue(transport=self.transport())

    def async_queue(self) -> AsyncQueue:
        return AsyncQueue(transport=self.async_transport())

    def advance(self, seconds: float) -> None:
        self._database.clock.advance(seconds)


class RestGround:
    """A running stack that tests share. Time passes by moving all times of the test's queue back."""

    refusal_status: int | None = 400

    def __init__(self, stack: Stack, queue_name: str) -> None:
        self._settings = Settings.load(stack.env(), dotenv=None)
        self._database_url = stack.superuser_url
        self._queue_name = queue_name

    def transport(self) -> Transport:
        return open_transport(self._settings)

    def async_transport(self) -> AsyncTransport:
        return open_async_transport(self._settings)

    def queue(self) -> Queue:
        return Queue(self._settings)

    def async_queue(self) -> AsyncQueue:
        return AsyncQueue(self._settings)

    def advance(self, seconds: float) -> None:
        with psycopg.connect(self._database_url) as connection:
            for table, rows in _ROWS.items():
                move_back(connection, table, rows, {"queue": self._queue_name, "seconds": seconds})


class DirectGround(RestGround):
    """The same stack over direct connections, as the role that owns the tables."""

    refusal_status = None

    def __init__(self, stack: Stack, queue_name: str) -> None:
        super().__init__(stack, queue_name)
        self._direct = DatabaseSettings(stack.database_url)

    def transport(self) -> Transport:
        return open_transport(self._direct)

    def async_transport(self) -> AsyncTransport:
        return open_async_transport(self._direct)

    def queue(self) -> Queue:
        return Queue(self._direct)

    def async_queue(self) -> AsyncQueue:
        return AsyncQueue(self._direct)


_ROWS = {
    "jobs": "queue = %(queue)s",
    "job_tasks": "queue = %(queue)s",
    "job_task_attempts": "job_id in (select job_id from jobs where queue = %(queue)s)",
    "job_claims": "true",
    "job_workers": "%(queue)s = any (queues)",
    "job_queues": "queue = %(queue)s",
}


def move_back(connection: psycopg.Connection[Any], table: str, rows: str, given: dict[str, Any]) -> None:
    """Move every time in these rows back."""
    query = """select attname from pg_attribute where attrelid = to_regclass(%s)
               and atttypid = 'timestamptz'::regtype and not attisdropped"""
    moved = ", ".join(
        f"{name} = {name} - make_interval(secs => %(seconds)s)"
        for (name,) in connection.execute(query, [table])
    )
    connection.execute(f"update {table} set {moved} where {rows}".encode(), given)
