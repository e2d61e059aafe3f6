"""Real Postgres, PostgREST and gateway for the tests: one stack per Postgres version and run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import hypothesis
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from supaqueue.contract import CountJobs
from supaqueue.devstack import Stack, postgres_binaries
from supaqueue.maintain.migrate import Migrator
from supaqueue.settings import Settings
from supaqueue.transport import RestTransport
from tests.databases import Databases

pytest_plugins = ("tests.chromium", "tests.valkey")

MAJORS = (15, 18)

# How long an example takes says nothing here: machines are shared.
hypothesis.settings.register_profile(
    "shared", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared")


@pytest.fixture(scope="session")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], Stack]]:
    """Starts the stack of a Postgres version at its first use; all stop at the end of the run."""
    started: dict[int, Stack] = {}

    def get(major: int) -> Stack:
        if major not in started:
            started[major] = stack = stack_of(major, tmp_path_factory.mktemp(f"stack{major}"))
            stack.up()
            with psycopg.connect(stack.superuser_url, autocommit=True) as connection:
                connection.execute("create database migrated owner postgres")
            Migrator(make_conninfo(stack.database_url, dbname="migrated")).apply()
            migrate(stack)
        return started[major]

    yield get
    for stack in started.values():
        stack.remove()


def stack_of(major: int, directory: Path) -> Stack:
    """A stack of that Postgres version, not yet started."""
    binaries = None if major == 18 else postgres_binaries(major)
    return Stack(directory, postgres_bin=binaries, durable=False)


@pytest.fixture(scope="session", params=MAJORS, ids=lambda major: f"postgres{major}")
def stack(request: pytest.FixtureRequest, stacks: Callable[[int], Stack]) -> Stack:
    """A running, migrated stack; each test that asks for it runs on every Postgres version."""
    return stacks(request.param)


@pytest.fixture(scope="session")
def stack18(stacks: Callable[[int], Stack]) -> Stack:
    """A running, migrated stack on the newest Postgres, for what does not depend on the version."""
    return stacks(18)


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Stack]:
    """A migrated stack that only this test uses: it may stop and kill what it likes."""
    with Stack(tmp_path / "stack", durable=False) as stack:
        migrate(stack)
        yield stack
    stack.remove()


def migrate(stack: Stack) -> None:
    """Migrate it; returns once PostgREST has read the new functions, and no first call is tried again."""
    Migrator(stack.database_url).apply()
    with RestTransport(Settings(url=stack.url, service_role_key=stack.service_role_key)) as transport:
        transport.send(CountJobs())


@pytest.fixture(scope="session")
def databases() -> Databases:
    """Migrated databases, used by one test after the other."""
    return Databases()


@pytest.fixture
def fresh_database(stack: Stack, databases: Databases) -> Iterator[str]:
    """The connection string of an empty, migrated database that only this test uses."""
    with databases.one(stack) as address:
        yield address


@pytest.fixture
def queue_name() -> str:
    """A queue that only this test uses."""
    return f"q-{uuid4().hex[:12]}"


@pytest.fixture
def connect(fresh_database: str, databases: Databases) -> Iterator[Callable[[], psycopg.Connection[Any]]]:
    """Opens sessions on this test's database, which it gives back at its end."""
    opened: list[psycopg.Connection[Any]] = []

    def open_one() -> psycopg.Connection[Any]:
        opened.append(databases.connect(fresh_database))
        return opened[-1]

    yield open_one
    for connection in opened:
        databases.give_back(fresh_database, connection)
