"""Connections that give up: an answer that does not come in time ends the try, whatever the network does."""

from __future__ import annotations

import select
import time
from collections import deque
from typing import Any, Generic, TypeVar

from psycopg.abc import PQGen
from psycopg.pq import ConnStatus, TransactionStatus

from supaqueue.transport.postgres_address import PostgresAddress, psycopg
from supaqueue.version import __version__

MOST_CONNECTIONS = 4
"""Of one transport by default: Postgres has few, and a process's calls are batched."""

IDLE_SECONDS = 300.0
"""A connection unused for so long is closed at the next call: firewalls forget such ones silently."""

CANCEL_SECONDS = 0.5
"""For how long a call whose time is up tries to end its statement in the server, too."""

Value = TypeVar("Value")
Connection = TypeVar("Connection", bound="psycopg.Connection[Any] | psycopg.AsyncConnection[Any]")


class NoAnswer(psycopg.OperationalError):
    """The answer did not come in time."""


def until(deadline: float, waiting: PQGen[Value]) -> PQGen[Value]:
    """Pass on what psycopg waits for, and raise `NoAnswer` once `time.monotonic` has passed the deadline."""
    try:
        wanted = next(waiting)
        while True:
            ready = yield wanted
            wanted = waiting.send(ready)
            if time.monotonic() >= deadline:
                raise NoAnswer("no answer in time")
    except StopIteration as ended:
        value: Value = ended.value
        return value


class TimedConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection for threads. It waits until `deadline`; `NoAnswer` ends its use."""

    deadline = float("inf")

    def wait(self, gen: PQGen[Value], interval: float = 0.1, timeout: float | None = None) -> Value:
        left = max(self.deadline - time.monotonic(), 0.001)
        return super().wait(until(self.deadline, gen), min(interval, left))


class AsyncTimedConnection(psycopg.AsyncConnection[tuple[Any, ...]]):
    """A connection for an event loop. It waits until `deadline`; `NoAnswer` ends its use."""

    deadline = float("inf")

    async def wait(  # psycopg's signature
        self,
        gen: PQGen[Value],
        interval: float = 0.1,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Value:
        left = max(self.deadline - time.monotonic(), 0.001)
        return await super().wait(until(self.deadline, gen), min(interval, left))


def connect_options(address: PostgresAddress, seconds: float) -> dict[str, Any]:
    """Return what to connect with; libpq gives no connection up before 2 s."""
    return {
        "connect_timeout": max(2, round(seconds)),
        "keepalives_idle": 30,
        "application_name": f"supaqueue/{__version__}",
        **address.parameters,
        "client_encoding": "utf8",
        "autocommit": True,
    }


class IdleConnections(Generic[Connection]):
    """Connections that no call uses; safe to share between threads. The one used last goes out first."""

    def __init__(self) -> None:
        self._idle: deque[tuple[float, Connection]] = deque()

    def take(self) -> tuple[Connection | None, list[Connection]]:
        """Return one that is alive, if there is one, and those to close."""
        gone: list[Connection] = []
        while True:
            try:
                since, connection = self._idle.pop()
            except IndexError:
                return None, gone
            if time.monotonic() - since < IDLE_SECONDS and _is_alive(connection):
                return connection, gone
            gone.append(connection)

    def give(self, connection: Connection) -> None:
        """Take one back."""
        self._idle.append((time.monotonic(), connection))

    def drain(self) -> list[Connection]:
        """Return all of them, to be closed."""
        drained = []
        while self._idle:
            drained.append(self._idle.popleft()[1])
        return drained


def is_reusable(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> bool:
    """Whether a connection may carry another call."""
    status = connection.pgconn.transaction_status
    return not connection.closed and status == TransactionStatus.IDLE


def _is_alive(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> bool:
    """Whether it can be used: a server that ended the session has said so, or closed the socket, by now."""
    if connection.closed or connection.pgconn.status != ConnStatus.OK:
        return False
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    return not poll.poll(0)
