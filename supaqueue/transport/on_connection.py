"""Calls on a connection of the caller's own, in its transaction: jobs are stored if that commits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from psycopg.pq import TransactionStatus

from supaqueue.contract import Call
from supaqueue.contract.json_value import encode
from supaqueue.transport import postgres_verdict as verdicts
from supaqueue.transport.failures import Failure
from supaqueue.transport.postgres_address import PostgresAddress, psycopg
from supaqueue.transport.postgres_call import FIND_ARGUMENTS, Statements
from supaqueue.transport.tries import Patience, Tries, TryAgain
from supaqueue.transport.verdict import Answered

Reply = TypeVar("Reply")
_AnyConnection = psycopg.Connection[Any] | psycopg.AsyncConnection[Any]

_ONE_TRY = Patience(0.0)


class ConnectionTransport:
    """Makes calls on a psycopg connection that the caller has open. Not to be shared between threads.

    In a transaction each call is a savepoint: one that fails leaves what the transaction did before. Without
    a transaction, on a connection in autocommit, each call commits by itself. Nothing is tried again.

    Args:
        connection: stays the caller's: it is neither committed nor closed here.
        schema: where the queue is installed.
    """

    def __init__(self, connection: psycopg.Connection[Any], schema: str = "public") -> None:
        self._connection = connection
        self._caller = _Caller(connection, schema)

    def send(self, call: Call[Reply]) -> Reply:
        """Make the call once, and return its answer.

        Raises:
            CallError: see the table in `supaqueue.transport.postgres_verdict`.
        """
        return self._caller.conclude(call, self._try(call))

    def close(self) -> None:
        """Do nothing: the connection is the caller's."""

    def _try(self, call: Call[Reply]) -> Answered[Reply] | Failure:
        inside = _is_inside(self._connection)
        try:
            with self._savepoint(inside=inside), self._connection.cursor(row_factory=_tuples) as cursor:
                statement = self._caller.statements.known(call)
                if statement is None:
                    cursor.execute(FIND_ARGUMENTS, self._caller.looked_for(call))
                    statement = self._caller.statements.learn(call, cursor.fetchall())
                if statement is None:
                    return verdicts.no_function(call, self._caller.schema)
                cursor.execute(statement, [encode(call.arguments())])
                return verdicts.read_answer(cursor.fetchone(), call, self._caller.address)
        except psycopg.Error as error:
            return self._caller.judge(error, call, inside=inside)

    @contextmanager
    def _savepoint(self, *, inside: bool) -> Iterator[None]:
        if not inside:
            yield
            return
        self._connection.execute(_BEGIN)
        try:
            yield
        except psycopg.Error:
            if not self._connection.closed:
                self._connection.execute(_UNDO)
            raise
        self._connection.execute(_END)


class AsyncConnectionTransport:
    """The twin of `ConnectionTransport` for an event loop.

    Args:
        connection: stays the caller's: it is neither committed nor closed here.
        schema: where the queue is installed.
    """

    def __init__(self, connection: psycopg.AsyncConnection[Any], schema: str = "public") -> None:
        self._connection = connection
        self._caller = _Caller(connection, schema)

    async def send(self, call: Call[Reply]) -> Reply:
        """Make the call once, and return its answer.

        Raises:
            CallError: see the table in `supaqueue.transport.postgres_verdict`.
        """
        return self._caller.conclude(call, await self._try(call))

    async def aclose(self) -> None:
        """Do nothing: the connection is the caller's."""

    async def _try(self, call: Call[Reply]) -> Answered[Reply] | Failure:
        inside = _is_inside(self._connection)
        try:
            async with (
                self._savepoint(inside=inside),
                self._connection.cursor(row_factory=_tuples) as cursor,
            ):
                statement = self._caller.statements.known(call)
                if statement is None:
                    await cursor.execute(FIND_ARGUMENTS, self._caller.looked_for(call))
                    statement = self._caller.statements.learn(call, await cursor.fetchall())
                if statement is None:
                    return verdicts.no_function(call, self._caller.schema)
                await cursor.execute(statement, [encode(call.arguments())])
                return verdicts.read_answer(await cursor.fetchone(), call, self._caller.address)
        except psycopg.Error as error:
            return self._caller.judge(error, call, inside=inside)

    @asynccontextmanager
    async def _savepoint(self, *, inside: bool) -> AsyncIterator[None]:
        if not inside:
            yield
            return
        await self._connection.execute(_BEGIN)
        try:
            yield
        except psycopg.Error:
            if not self._connection.closed:
                await self._connection.execute(_UNDO)
            raise
        await self._connection.execute(_END)


class _Caller:
    """What both colours share: which functions there are, and what a failure means inside a transaction."""

    def __init__(self, connection: _AnyConnection, schema: str) -> None:
        info = connection.info
        self.address = PostgresAddress({"host": info.host, "port": str(info.port), "user": info.user})
        self.schema = schema
        self.statements = Statements(schema)

    def looked_for(self, call: Call[Any]) -> list[str]:
        return [self.schema, call.function]

    def judge(self, error: psycopg.Error, call: Call[Any], *, inside: bool) -> Failure:
        """A transaction that lost its session never committed."""
        self.statements.failed(call, error.sqlstate)
        failure = verdicts.judge_error(error, call, self.address)
        return replace(failure, committed="no") if inside else failure

    def conclude(self, call: Call[Reply], verdict: Answered[Reply] | Failure) -> Reply:
        concluded = Tries(call, _ONE_TRY).settle(verdict)
        assert not isinstance(concluded, TryAgain)  # its budget is none
        return concluded.reply


_BEGIN, _END = "savepoint supaqueue_call", "release savepoint supaqueue_call"
_UNDO = "rollback to savepoint supaqueue_call; release savepoint supaqueue_call"
_tuples = psycopg.rows.tuple_row


def _is_inside(connection: _AnyConnection) -> bool:
    """Whether a call belongs to a transaction; on a connection not in autocommit it begins one."""
    return not connection.autocommit or connection.pgconn.transaction_status != TransactionStatus.IDLE
