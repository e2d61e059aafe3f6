"""Two sessions at once, steered by the locks that they wait for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg

Connection = psycopg.Connection[Any]
Answer = TypeVar("Answer")

DEADLINE_SECONDS = 30.0


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Return once `condition` holds; fail if it does not within the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.002)


def is_blocked(observer: Connection, session: Connection) -> bool:
    """Return whether a session waits for another's lock."""
    query = "select cardinality(pg_blocking_pids(%s)) > 0"
    row = observer.execute(query, [session.info.backend_pid]).fetchone()
    assert row is not None
    return bool(row[0])


@contextmanager
def in_background(call: Callable[[], Answer]) -> Iterator[Future[Answer]]:
    """Run a call in a thread; leaving the block waits for its end."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(call)


@contextmanager
def blocked(
    call: Callable[[], Answer], session: Connection, observer: Connection
) -> Iterator[Future[Answer]]:
    """Run a call of `session` in a thread and enter the block once it waits for a lock of another session."""
    with in_background(call) as future:
        wait_until(lambda: future.done() or is_blocked(observer, session), "the call waits for a lock")
        assert not future.done(), future.result()
        yield future


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Run calls at the same time, each in a thread of its own, and return their answers in order."""
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(call) for call in calls]
        return [future.result() for future in futures]


@contextmanager
def open_transaction(connection: Connection) -> Iterator[None]:
    """Keep a transaction open inside the block and commit it at the end."""
    connection.execute("begin")
    yield
    connection.execute("commit")
