"""The sync and the async client are one shape; so are their transports."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from supaqueue.client import AsyncQueue, Queue
from supaqueue.testing import AsyncMemoryTransport, MemoryTransport
from supaqueue.transport import AsyncRestTransport, AsyncTransport, RestTransport, Transport
from supaqueue.transport.async_postgres import AsyncPostgresTransport
from supaqueue.transport.on_connection import AsyncConnectionTransport, ConnectionTransport
from supaqueue.transport.postgres import PostgresTransport

TWINS = [
    (Queue, AsyncQueue),
    (RestTransport, AsyncRestTransport),
    (PostgresTransport, AsyncPostgresTransport),
    (ConnectionTransport, AsyncConnectionTransport),
    (MemoryTransport, AsyncMemoryTransport),
    (Transport, AsyncTransport),
]
NAMES = {"aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__"}
TYPES = [
    ("AsyncIterator", "Iterator"),
    ("AsyncTransport", "Transport"),
    ("AsyncRestTransport", "RestTransport"),
    ("psycopg.AsyncConnection", "psycopg.Connection"),
    ("AsyncMemoryTransport", "MemoryTransport"),
    ("httpx.AsyncClient", "httpx.Client"),
    ("AsyncQueue", "Queue"),
]


def public(kind: type) -> dict[str, Callable[..., Any]]:
    own = {name: member for name, member in vars(kind).items() if inspect.isfunction(member)}
    dunder = {"__init__", "__enter__", "__exit__", "__aenter__", "__aexit__"}
    return {
        NAMES.get(name, name): member
        for name, member in own.items()
        if (not name.startswith("_") or name in dunder) and member.__module__.startswith("supaqueue.")
    }


def in_sync_terms(annotation: object) -> str:
    text = str(annotation)
    for asynchronous, synchronous in TYPES:
        text = text.replace(asynchronous, synchronous)
    return text


def shape(function: Callable[..., Any]) -> tuple[object, ...]:
    signature = inspect.signature(function)
    parameters = tuple(
        (parameter.name, parameter.kind, parameter.default, in_sync_terms(parameter.annotation))
        for parameter in signature.parameters.values()
    )
    return parameters, in_sync_terms(signature.return_annotation)


@pytest.mark.parametrize(("sync", "other"), TWINS, ids=lambda kind: kind.__name__)
def test_same_methods_with_the_same_signatures(sync: type, other: type) -> None:
    mine, theirs = public(sync), public(other)
    assert mine.keys() == theirs.keys()
    for name, method in mine.items():
        assert shape(method) == shape(theirs[name]), name


@pytest.mark.parametrize(("sync", "other"), TWINS, ids=lambda kind: kind.__name__)
def test_whatever_does_io_is_awaited(sync: type, other: type) -> None:
    waits = {name for name, method in public(other).items() if inspect.iscoroutinefunction(method)}
    iterates = {name for name, method in public(sync).items() if "Iterator" in str(shape(method)[1])}
    assert waits == public(other).keys() - iterates - {"__init__"}
    assert not any(inspect.iscoroutinefunction(method) for method in public(sync).values())


def test_methods_have_docstrings_that_say_the_same() -> None:
    mine, theirs = public(Queue), public(AsyncQueue)
    for name in mine.keys() - {"__init__", "__enter__", "__exit__"}:
        assert mine[name].__doc__, name
        assert mine[name].__doc__ == theirs[name].__doc__, name
