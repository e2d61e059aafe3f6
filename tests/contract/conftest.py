"""A migrated stack as settings, and both colours of transport and client under one face."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from supaqueue.client import AsyncQueue, Queue
from supaqueue.devstack import Stack
from supaqueue.settings import Settings
from supaqueue.transport import AsyncRestTransport, RestTransport


class Blocking:
    """An object of the asynchronous colour, called as if it were of the other one."""

    def __init__(self, inner: Any, runner: asyncio.Runner) -> None:
        self._inner = inner
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._inner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            result = member(*arguments, **options)
            if inspect.isawaitable(result):
                return self._runner.run(_awaited(result))
            return self._runner.run(_collected(result)) if inspect.isasyncgen(result) else result

        return call


async def _awaited(result: Any) -> Any:
    return await result


async def _collected(result: Any) -> list[Any]:
    return [item async for item in result]


@pytest.fixture(scope="session")
def queue_settings(stack18: Stack) -> Settings:
    """The settings of a migrated stack, with its service role key."""
    return Settings.load(stack18.env(), dotenv=None)


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> Iterator[Callable[[type, type], Callable[..., Any]]]:
    """Makes things in one of two colours, to be used alike; they are closed at the end."""
    with asyncio.Runner() as runner:
        made: list[Any] = []

        def choose(synchronous: type, asynchronous: type) -> Callable[..., Any]:
            def make(*arguments: Any, **options: Any) -> Any:
                if request.param == "sync":
                    made.append(synchronous(*arguments, **options))
                else:
                    made.append(Blocking(asynchronous(*arguments, **options), runner))
                return made[-1]

            return make

        yield choose
        for thing in made:
            thing.aclose() if isinstance(thing, Blocking) else thing.close()


@pytest.fixture
def make_transport(colour: Callable[[type, type], Callable[..., Any]]) -> Callable[..., Any]:
    """Makes a transport; runs the test once per colour."""
    return colour(RestTransport, AsyncRestTransport)


@pytest.fixture
def make_queue(colour: Callable[[type, type], Callable[..., Any]]) -> Callable[..., Any]:
    """Makes a client; runs the test once per colour."""
    return colour(Queue, AsyncQueue)


@pytest.fixture
def make_dead_letters() -> Callable[[Any], Any]:
    """Gives the dead letters of a client, called alike in both colours."""

    def of(queue: Any) -> Any:
        if isinstance(queue, Blocking):
            return Blocking(queue._inner.dead_letters, queue._runner)
        return queue.dead_letters

    return of
