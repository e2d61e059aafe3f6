"""A database whose time runs faster than ours: what takes a quarter of an hour is seen in seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from supaqueue.devstack import Stack
from supaqueue.devstack.postgres import Postgres
from supaqueue.devstack.processes import Program
from tests.conftest import migrate


@contextmanager
def fast_stack(folder: Path, times: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A migrated stack; its Postgres lives so many times as fast, all else at our pace."""
    program: Callable[[Postgres, Mapping[str, int]], Program] = Postgres.program

    def fast(postgres: Postgres, ports: Mapping[str, int]) -> Program:
        made = program(postgres, ports)
        return replace(made, environment={**made.environment, **faketime(times)})

    monkeypatch.setattr(Postgres, "program", fast)
    stack = Stack(folder / "stack", durable=False)
    with stack:
        migrate(stack)
        yield stack
    stack.remove()


def faketime(times: int) -> dict[str, str]:
    """The environment of a process whose clock runs so many times as fast; its timers keep our time."""
    spec = find_spec("libfaketime")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    library = Path(spec.submodule_search_locations[0]) / "vendor/libfaketime/src/libfaketime.so.1"
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"+0 x{times}",
        "DONT_FAKE_MONOTONIC": "1",
    }


def clock_of(database: psycopg.Connection[tuple[datetime]], times: int) -> Callable[[], datetime]:
    """A clock of this process that goes with the database's."""
    row = database.execute("select clock_timestamp()").fetchone()
    assert row is not None
    began, at = row[0].astimezone(UTC), time.monotonic()
    return lambda: began + timedelta(seconds=times * (time.monotonic() - at))
