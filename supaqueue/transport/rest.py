"""Calls over HTTP, for threads."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self, TypeVar

import httpx

from supaqueue.contract import Call
from supaqueue.settings import Settings
from supaqueue.transport.connections import LIMITS, MOST_CONNECTIONS, all_busy, certificates, wait_seconds
from supaqueue.transport.exchange import Exchange
from supaqueue.transport.tries import Patience, TryAgain

Reply = TypeVar("Reply")


class RestTransport:
    """Makes calls through PostgREST over kept-alive connections. Safe to share between threads.

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
        http_client: httpx.Client | None = None,
        *,
        try_seconds: float | None = None,
    ) -> None:
        self._settings = settings
        self._patience = Patience(budget_seconds, try_seconds)
        self._owned = http_client is None
        self._http = http_client or httpx.Client(limits=LIMITS, verify=certificates())
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)

    def send(self, call: Call[Reply]) -> Reply:
        """Make the call, repeating it within the budget, and return its answer.

        Raises:
            CallError: see the table in `supaqueue.transport.verdict`.
        """
        exchange = Exchange(call, self._settings, self._patience)
        while True:
            verdict = exchange.judge(self._try(exchange))
            if not isinstance(verdict, TryAgain):
                return verdict.reply
            time.sleep(verdict.seconds)

    def close(self) -> None:
        """Close the connections, unless they were given."""
        if self._owned:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _try(self, exchange: Exchange[Reply]) -> httpx.Response | httpx.RequestError:
        request = exchange.request(self._http)
        if not self._places.acquire(timeout=wait_seconds(request)):
            return all_busy(request)
        try:
            return self._http.send(request, follow_redirects=False)
        except httpx.RequestError as error:
            return error
        finally:
            self._places.release()
