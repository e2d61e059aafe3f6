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


@pytest.fixture(scope="session")
def oldest_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack on the oldest Postgres that this project supports; it runs, and no test restarts it."""
    yield from running(Stack(tmp_path_factory.mktemp("oldest"), postgres_binaries(15), durable=False))


@pytest.fixture(scope="session")
def newest_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack on the newest Postgres; it runs, and no test restarts it."""
    yield from running(Stack(tmp_path_factory.mktemp("newest"), postgres_binaries(18), durable=False))


def running(stack: Stack) -> Iterator[Stack]:
    try:
        stack.up()
        yield stack
    finally:
        stack.remove()


@pytest.fixture(params=["oldest_stack", "newest_stack"])
def project(request: pytest.FixtureRequest) -> Stack:
    """Each of the two stacks that keep running."""
    stack = request.getfixturevalue(request.param)
    assert isinstance(stack, Stack)
    return stack


@pytest.fixture
def database(project: Stack) -> Iterator[psycopg.Connection]:
    """A connection of `postgres`, as SUPABASE_DB_URL gives it."""
    with psycopg.connect(project.database_url, autocommit=True) as connection:
        yield connection
