"""Calls over a direct connection to Postgres, for threads."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeVar

from supaqueue.contract import Call
from supaqueue.contract.json_value import encode
from supaqueue.settings import DatabaseSettings
from supaqueue.transport import postgres_verdict as verdicts
from supaqueue.transport.failures import Failure
from supaqueue.transport.postgres_address import PostgresAddress, psycopg
from supaqueue.transport.postgres_call import FIND_ARGUMENTS, Statements
from supaqueue.transport.postgres_connection import (
    CANCEL_SECONDS,
    MOST_CONNECTIONS,
    IdleConnections,
    NoAnswer,
    TimedConnection,
    connect_options,
    is_reusable,
)
from supaqueue.transport.tries import Patience, Tries, TryAgain
from supaqueue.transport.verdict import Answered

Reply = TypeVar("Reply")


class PostgresTransport:
    """Makes calls over direct connections, which it opens as needed. Safe to share between threads.

    Each call is one statement and one transaction. A transaction pooler in between is noticed, and nothing
    prepared from then on.

    Args:
        settings: where to, and in which schema; the connection string says as whom.
        budget_seconds: how long one call may go on trying.
        try_seconds: how long one try may wait; by default half of the budget, 15 s at most. A connection that
            does not come is given up after 2 s at the earliest.
        max_connections: calls under way at the same time; more of them wait.

    Raises:
        ConfigurationError: the connection string is malformed, or psycopg is not installed.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        budget_seconds: float = 10.0,
        *,
        try_seconds: float | None = None,
        max_connections: int = MOST_CONNECTIONS,
    ) -> None:
        self._address = PostgresAddress.read(settings.url)
        self._schema = settings.schema
        self._patience = Patience(budget_seconds, try_seconds)
        self._statements = Statements(settings.schema)
        self._most = max_connections
        self._places = threading.BoundedSemaphore(max_connections)
        self._idle: IdleConnections[TimedConnection] = IdleConnections()

    def send(self, call: Call[Reply]) -> Reply:
        """Make the call, repeating it within the budget, and return its answer.

        Raises:
            CallError: see the table in `supaqueue.transport.postgres_verdict`.
        """
        tries = Tries(call, self._patience)
        content = encode(call.arguments())
        while True:
            verdict = tries.settle(self._try(call, content, tries.begin()))
            if not isinstance(verdict, TryAgain):
                return verdict.reply
            time.sleep(verdict.seconds)

    def close(self) -> None:
        """Close the connections that no call is using."""
        for connection in self._idle.drain():
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _try(self, call: Call[Reply], content: str, seconds: float) -> Answered[Reply] | Failure:
        deadline = time.monotonic() + seconds
        if not self._places.acquire(timeout=seconds):
            return verdicts.all_busy(self._address, self._most)
        try:
            connection = self._take(seconds)
            try:
                return self._ask(connection, call, content, deadline)
            finally:
                self._give_back(connection)
        except verdicts.NotConnected as missed:
            return missed.failure
        finally:
            self._places.release()

    def _take(self, seconds: float) -> TimedConnection:
        alive, gone = self._idle.take()
        for connection in gone:
            connection.close()
        if alive is not None:
            return alive
        try:
            return TimedConnection.connect(**connect_options(self._address, seconds))
        except psycopg.Error as error:
            raise verdicts.NotConnected(error, self._address) from None

    def _ask(
        self, connection: TimedConnection, call: Call[Reply], content: str, deadline: float
    ) -> Answered[Reply] | Failure:
        connection.deadline = deadline
        connection.prepare_threshold = self._statements.prepare_threshold
        try:
            statement = self._statements.known(call)
            if statement is None:
                rows = connection.execute(FIND_ARGUMENTS, [self._schema, call.function]).fetchall()
                statement = self._statements.learn(call, rows)
            if statement is None:
                return verdicts.no_function(call, self._schema)
            row = connection.execute(statement, [content]).fetchone()
            return verdicts.read_answer(row, call, self._address)
        except psycopg.Error as error:
            if isinstance(error, NoAnswer):
                with suppress(psycopg.Error):
                    connection.cancel_safe(timeout=CANCEL_SECONDS)
                connection.close()
            self._statements.failed(call, error.sqlstate)
            return verdicts.judge_error(error, call, self._address)

    def _give_back(self, connection: TimedConnection) -> None:
        if is_reusable(connection):
            self._idle.give(connection)
        else:
            connection.close()
