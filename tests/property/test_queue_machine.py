"""Any sequence of calls, in memory and over HTTP, comes to what the model says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from supaqueue.devstack import Stack, postgres_binaries
from supaqueue.maintain.migrate import Migrator
from tests.property.machine import QueueMachine
from tests.property.worlds import MemoryWorld, RestWorld, World

SLOW = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(params=["memory", pytest.param("postgres15", marks=SLOW), "postgres18"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A queue of this test's own."""
    if request.param == "memory":
        yield MemoryWorld()
        return
    binaries = postgres_binaries(15) if request.param == "postgres15" else None
    with Stack(tmp_path / "stack", postgres_bin=binaries, durable=False) as stack:
        Migrator(stack.database_url).apply()
        rest = RestWorld(stack)
        yield rest
        rest.close()
    stack.remove()


def run_sequences(world: World, count: int) -> None:
    """Run `count` sequences of up to 40 calls."""

    class Machine(QueueMachine):
        pass

    Machine.world = world
    Machine.TestCase.settings = settings(
        max_examples=count,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    Machine.TestCase().runTest()


@pytest.mark.timeout(900)  # a failure takes minutes to shrink
def test_any_sequence_of_calls(world: World) -> None:
    run_sequences(world, 500 if isinstance(world, MemoryWorld) else 150)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_thousands_of_sequences_of_calls(world: World) -> None:
    run_sequences(world, 5000 if isinstance(world, MemoryWorld) else 2500)
