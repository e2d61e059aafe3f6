"""Transports to a database in memory: the same calls, answers and errors as over HTTP."""

from __future__ import annotations

from types import TracebackType
from typing import NoReturn, Self, TypeVar

import httpx

from supaqueue.contract import Call
from supaqueue.contract.json_value import encode
from supaqueue.errors import CallRefused
from supaqueue.settings import Settings
from supaqueue.testing.memory.database import MemoryDatabase
from supaqueue.testing.memory.functions import FUNCTIONS
from supaqueue.testing.memory.refused import Refused
from supaqueue.transport.exchange import Exchange
from supaqueue.transport.tries import Patience

Reply = TypeVar("Reply")

_NOWHERE = Settings(url="http://memory", service_role_key="memory")
"""What error texts call the place; no call goes there."""


class MemoryTransport:
    """Makes calls in a database in memory. Safe to share between threads.

    Args:
        database: the one that is shared; by default a new one.
    """

    def __init__(self, database: MemoryDatabase | None = None) -> None:
        self.database = database or MemoryDatabase()

    def send(self, call: Call[Reply]) -> Reply:
        """Make the call and return its answer.

        Raises:
            CallError: what the real function's refusal raises; see `supaqueue.transport.verdict`.
        """
        return _send(self.database, call)

    def close(self) -> None:
        """Do nothing: the database stays as it is."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncMemoryTransport:
    """Makes calls in a database in memory, for an event loop.

    Args:
        database: the one that is shared; by default a new one.
    """

    def __init__(self, database: MemoryDatabase | None = None) -> None:
        self.database = database or MemoryDatabase()

    async def send(self, call: Call[Reply]) -> Reply:
        """Make the call and return its answer.

        Raises:
            CallError: what the real function's refusal raises; see `supaqueue.transport.verdict`.
        """
        return _send(self.database, call)

    async def aclose(self) -> None:
        """Do nothing: the database stays as it is."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _send(database: MemoryDatabase, call: Call[Reply]) -> Reply:
    arguments = encode(call.arguments()).encode()
    if call.function not in FUNCTIONS:
        _refuse_as_not_offered(call)
    try:
        answer = database.call(call.function, arguments)
    except Refused as refused:
        return _judged(refused, call)
    return call.parse(answer)


def _judged(refused: Refused, call: Call[Reply]) -> NoReturn:
    """Raise what this refusal would raise if PostgREST had passed it on."""
    answer = httpx.Response(httpx.codes.BAD_REQUEST, json=refused.body())
    Exchange(call, _NOWHERE, Patience()).judge(answer)
    raise AssertionError("a refusal is never tried again")


def _refuse_as_not_offered(call: Call[Reply]) -> NoReturn:
    raise CallRefused(
        f"{call.function}: the queue in memory does not offer this call: test what makes it against a real"
        " stack, see 'supaqueue dev up'",
        call=call.function,
    )
