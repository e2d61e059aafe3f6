"""Stacks for the tests of the stack: real Postgres, real PostgREST, real Caddy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from supaqueue.devstack import Stack, postgres_binaries

MakeStack = Callable[..., Stack]


@pytest.fixture
def make_stack(tmp_path: Path) -> Iterator[MakeStack]:
    """Makes stacks that are removed, with all their processes, when the test ends."""
    made: list[Stack] = []

    def make(name: str = "stack", **options: Any) -> Stack:
        made.append(Stack(tmp_path / name, durable=False, **options))
        return made[-1]

    yield make
    for stack in made:
        stack.remove()


@pytest.fixture(scope="session", params=[15, 18], ids=["postgres-15", "postgres-18"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that runs and that no test restarts, on the oldest and the newest Postgres."""
    directory = tmp_path_factory.mktemp("project")
    stack = Stack(directory, postgres_binaries(request.param), durable=False)
    stack.up()
    yield stack
    stack.remove()


@pytest.fixture
def database(project: Stack) -> Iterator[psycopg.Connection]:
    """A connection of `postgres`, as SUPABASE_DB_URL gives it."""
    with psycopg.connect(project.database_url, autocommit=True) as connection:
        yield connection
