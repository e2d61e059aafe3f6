"""Calls over HTTP, for an event loop."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self, TypeVar

import httpx

from supaqueue.contract import Call
from supaqueue.settings import Settings
from supaqueue.transport.connections import LIMITS, MOST_CONNECTIONS, all_busy, certificates, wait_seconds
from supaqueue.transport.exchange import Exchange
from supaqueue.transport.tries import Patience, TryAgain

Reply = TypeVar("Reply")


class AsyncRestTransport:
    """Makes calls through PostgREST over kept-alive connections, for one event loop.

    It may be made anywhere, and belongs to the loop in which it is first used. A call that is cancelled may
    have taken effect, and goes on in the background until it is answered or its try's time is up: httpcore
    loses connections whose requests are cancelled at the wrong moment.

    Args:
        settings: where to, and with which key.
        budget_seconds: how long one call may go on trying.
        try_seconds: how long one try may wait; by default half of the budget, 15 s at most.
        http_client: connections to use instead of own ones, 100 at least; it is not closed here.
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
        self._http = http_client or httpx.AsyncClient(limits=LIMITS, verify=certificates())
        self._places = asyncio.BoundedSemaphore(MOST_CONNECTIONS)
        self._abandoned: set[asyncio.Task[httpx.Response]] = set()

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
        """Close the connections, unless they were given. What was cancelled is not waited for."""
        for sending in tuple(self._abandoned):
            sending.cancel()
        await asyncio.gather(*self._abandoned, return_exceptions=True)
        if self._owned:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _try(self, exchange: Exchange[Reply]) -> httpx.Response | httpx.RequestError:
        request = exchange.request(self._http)
        try:
            async with asyncio.timeout(wait_seconds(request)):
                await self._places.acquire()
        except TimeoutError:
            return all_busy(request)
        sending = asyncio.create_task(self._http.send(request, follow_redirects=False))
        sending.add_done_callback(self._ended)
        try:
            return await asyncio.shield(sending)
        except httpx.RequestError as error:
            return error
        except asyncio.CancelledError:
            if not sending.done():
                self._abandoned.add(sending)
            raise

    def _ended(self, sending: asyncio.Task[httpx.Response]) -> None:
        self._places.release()
        self._abandoned.discard(sending)
        if not sending.cancelled():
            sending.exception()  # nobody else may ask for it
