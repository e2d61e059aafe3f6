"""Reaching a Redis or Valkey: clients that do not hang, and its errors as ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from socket import gaierror
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    MaxConnectionsError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
)
from redis.retry import Retry

from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.errors import Committed

TIMEOUT_SECONDS = 3.0
_REFUSALS: Mapping[type[Exception], str] = {
    AuthenticationError: "it refused user or password: check them in the URL",
    AuthorizationError: "it refused user or password: check them in the URL",
    NoPermissionError: "this user may not do that: see ACL GETUSER",
    BusyLoadingError: "it is reading its data from disk: try again when it is done",
    OutOfMemoryError: "it is at its maxmemory: raise that, or remove keys that no queue owns",
    ReadOnlyError: "it is a replica, which takes no writes: connect to the primary",
    ClusterDownError: "its cluster is down: see CLUSTER INFO",
    MaxConnectionsError: "this process uses all connections of its pool: raise max_connections",
}


def connect(url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> redis.Redis:
    """Return a client that gives up on a dead server after `timeout_seconds`, and never repeats by itself.

    Nothing is sent yet. `url` is as `redis.Redis.from_url` takes it: `redis://user:password@host:6379/0`.
    """
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        # A repeat would hide whether the first try took effect; what uses this can be repeated as a whole.
        retry=Retry(NoBackoff(), 0),
    )


@contextmanager
def answering(client: redis.Redis, call: str) -> Iterator[None]:
    """Turn what `client` raises inside into `LegacyUnavailable`.

    Raises:
        LegacyUnavailable: `committed` is `no` if the server cannot have done anything.
    """
    try:
        yield
    except redis.RedisError as error:
        raise LegacyUnavailable(
            f"Redis at {address_of(client)} gave {call} no usable answer: {_why(error)}",
            call=call,
            committed=_committed(error),
        ) from None


def address_of(client: redis.Redis) -> str:
    """Return where `client` connects to, without user and password."""
    options = options_of(client)
    return str(options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}")


def options_of(client: redis.Redis) -> Mapping[str, Any]:
    """Return the options of a client's connections."""
    options: Mapping[str, Any] = client.connection_pool.connection_kwargs
    return options


def as_text(value: bytes | str) -> str:
    """Return text, whether or not the client decodes answers."""
    return value.decode() if isinstance(value, bytes) else value


def _why(error: redis.RedisError) -> str:
    for kind, sentence in _REFUSALS.items():
        if isinstance(error, kind):
            return sentence
    # Never the server's own words: they may quote a key.
    names = [type(part).__name__ for part in (error, error.__context__) if part is not None]
    return f"{' after '.join(names)}: see whether it runs, and its log"


def _committed(error: redis.RedisError) -> Committed:
    never_connected = isinstance(error.__context__, ConnectionRefusedError | gaierror)
    return "no" if never_connected or isinstance(error, tuple(_REFUSALS)) else "unknown"
