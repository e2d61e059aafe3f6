"""Every ground that the suite runs on, and both colours of transport and client under one face."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from supaqueue.client import AsyncQueue, Queue
from supaqueue.devstack import Stack
from supaqueue.settings import Settings
from supaqueue.transport import AsyncRestTransport, RestTransport, Transport
from tests.conftest import MAJORS
from tests.contract.grounds import DirectGround, Ground, MemoryGround, RestGround
from tests.contract.site import Site


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


Choose = Callable[[Callable[..., Any], Callable[..., Any]], Callable[..., Any]]


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> Iterator[Choose]:
    """Makes things in one of two colours, to be used alike; they are closed at the end."""
    with asyncio.Runner() as runner:
        made: list[Any] = []

        def choose(synchronous: Callable[..., Any], asynchronous: Callable[..., Any]) -> Callable[..., Any]:
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
def make_transport(colour: Choose) -> Callable[..., Any]:
    """Makes a transport over HTTP; runs the test once per colour."""
    return colour(RestTransport, AsyncRestTransport)


@pytest.fixture
def make_queue(colour: Choose) -> Callable[..., Any]:
    """Makes a client over HTTP; runs the test once per colour."""
    return colour(Queue, AsyncQueue)


@pytest.fixture
def make_dead_letters() -> Callable[[Any], Any]:
    """Gives the dead letters of a client, called alike in both colours."""

    def of(queue: Any) -> Any:
        if isinstance(queue, Blocking):
            return Blocking(queue._inner.dead_letters, queue._runner)
        return queue.dead_letters

    return of


@pytest.fixture
def make_limits() -> Callable[[Any], Any]:
    """Gives the limits on what runs of a client, called alike in both colours."""

    def of(queue: Any) -> Any:
        if isinstance(queue, Blocking):
            return Blocking(queue._inner.limits, queue._runner)
        return queue.limits

    return of


@pytest.fixture(
    params=["memory", *MAJORS, "direct"],
    ids=lambda ground: f"postgres{ground}" if isinstance(ground, int) else ground,
)
def ground(request: pytest.FixtureRequest, queue_name: str) -> Ground:
    """Runs the test on every ground; those without a server need none to be started."""
    if request.param == "memory":
        return MemoryGround()
    if request.param == "direct":
        return DirectGround(request.getfixturevalue("stack18"), queue_name)
    return RestGround(request.getfixturevalue("stacks")(request.param), queue_name)


@pytest.fixture
def transport(ground: Ground, colour: Choose) -> Any:
    """A transport of every colour on every ground."""
    return colour(ground.transport, ground.async_transport)()


@pytest.fixture
def queue(ground: Ground, colour: Choose) -> Any:
    """A client of every colour on every ground."""
    return colour(ground.queue, ground.async_queue)()


@pytest.fixture
def worker(ground: Ground) -> Iterator[Transport]:
    """What a worker of the same database calls through."""
    transport = ground.transport()
    yield transport
    transport.close()


@pytest.fixture
def site(transport: Any, ground: Ground, queue_name: str) -> Site:
    """A queue of its own, on every ground, through transports of every colour."""
    return Site(transport, ground, queue_name)
