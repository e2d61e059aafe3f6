"""Sessions on a database of the test's own; what the test leaves there must pass every shipped check."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from supaqueue.devstack import Stack
from tests.sql.calls import Calls, Worker
from tests.sql.checks import failed_checks

Connect = Callable[[], psycopg.Connection[Any]]


@pytest.fixture
def calls(connect: Connect) -> Iterator[Calls]:
    """The functions, in a session of their own. At the end every check of `verify_jobs.sql` must pass."""
    calls = Calls(connect())
    yield calls
    calls.connection.rollback()
    assert failed_checks(calls.connection) == []


@pytest.fixture
def open_worker(connect: Connect, queue_name: str) -> Callable[..., Worker]:
    """Makes workers, each with a session of its own, that serve the test's queue unless told otherwise."""

    def open_one(**options: Any) -> Worker:
        return Worker(connect(), **{"queues": [queue_name]} | options)

    return open_one


@pytest.fixture
def worker(open_worker: Callable[..., Worker]) -> Worker:
    return open_worker()


@pytest.fixture
def superuser_calls(stack: Stack, fresh_database: str) -> Iterator[Calls]:
    """The functions, in a superuser's session on the test's database: it sees their plans."""
    name = conninfo_to_dict(fresh_database)["dbname"]
    with psycopg.connect(make_conninfo(stack.superuser_url, dbname=name), autocommit=True) as connection:
        yield Calls(connection)
