"""An executor that leaves its calls to be made where no event loop runs."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class CallsOutside(Executor):
    """Stops the loop for each call that it is given, so that it can be made in this thread, outside of it.

    A sync handler then finds what it finds in a worker's thread, no event loop, and what it finds in no other
    thread: the test's own connections and transactions.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Keep the call until `make_calls`."""
        future: Future[T] = Future()
        self._calls.append((future, partial(fn, *args, **kwargs)))
        self._loop.stop()
        return future

    def make_calls(self) -> None:
        """Make what was kept; the loop must not be running."""
        while self._calls:
            future, call = self._calls.popleft()
            try:
                future.set_result(call())
            except Exception as error:
                future.set_exception(error)
