"""Calls over HTTP, for an event loop."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self, TypeVar

import httpx

from supaqueue.contract import Call
from supaqueue.settings import Settings
from supaqueue.transport.connections import LIMITS
from supaqueue.transport.exchange import Exchange, Patience, TryAgain

Reply = TypeVar("Reply")


class AsyncRestTransport:
    """Makes calls through PostgREST over kept-alive connections, for one event loop.

    It may be made anywhere, and belongs to the loop in which it is first used. A call that is cancelled may
    have taken effect; the transport stays usable.

    Args:
        settings: where to, and with which key.
        budget_seconds: how long one call may go on trying.
        try_seconds: how long one try may wait; by default half of the budget, 15 s at most.
        http_client: connections to use instead of own ones; it is not closed here.
    """

    def __init__(
        self,
        settings: Settings,
        budget_seconds: float = 10.0,
        http_client: httpx.AsyncClient | None = None,
        *,
        try_seconds: float | None = None,
    ) -> None:
        self._settings = settings
        self._patience = Patience(budget_seconds, try_seconds)
        self._owned = http_client is None
        self._http = http_client or httpx.AsyncClient(limits=LIMITS)

    async def send(self, call: Call[Reply]) -> Reply:
        """Make the call, repeating it within the budget, and return its answer.

        Raises:
            CallError: see the table in `supaqueue.transport.verdict`.
        """
        exchange = Exchange(call, self._settings, self._patience)
        while True:
            verdict = exchange.judge(await self._try(exchange))
            if not isinstance(verdict, TryAgain):
                return verdict.reply
            await asyncio.sleep(verdict.seconds)

    async def aclose(self) -> None:
        """Close the connections, unless they were given."""
        if self._owned:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _try(self, exchange: Exchange[Reply]) -> httpx.Response | httpx.RequestError:
        try:
            return await self._http.send(exchange.request(self._http), follow_redirects=False)
        except httpx.RequestError as error:
            return error
