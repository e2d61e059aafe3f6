"""One call over HTTP with all its tries: what both colours share, which is all but the waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

import httpx

from supaqueue.contract import Call
from supaqueue.settings import Settings
from supaqueue.transport.request import rpc_request
from supaqueue.transport.tries import Patience, Tries, TryAgain
from supaqueue.transport.verdict import Answered, judge

CONNECT_SECONDS = 5.0

Reply = TypeVar("Reply")


class Exchange(Generic[Reply]):
    """The tries of one call, in order. The request is built once: every repeat is the same to the byte."""

    def __init__(
        self,
        call: Call[Reply],
        settings: Settings,
        patience: Patience,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._tries = Tries(call, patience, clock)
        self._rpc = rpc_request(call, settings)

    def request(self, client: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """Return the request of the next try."""
        answer = self._tries.begin()
        return client.build_request(
            "POST",
            self._rpc.url,
            headers=self._rpc.headers,
            content=self._rpc.content,
            timeout=httpx.Timeout(answer, connect=min(CONNECT_SECONDS, answer)),
        )

    def judge(self, got: httpx.Response | httpx.RequestError) -> Answered[Reply] | TryAgain:
        """Say what is next after a try.

        Raises:
            CallError: it was the last one.
        """
        return self._tries.settle(judge(got, self._tries.call, self._settings))
