"""Any sequence of calls on jobs of several tasks comes to what the model says, in memory and for real."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from tests.property.graph_machine import GraphMachine
from tests.property.test_queue_machine import world  # noqa: F401
from tests.property.worlds import MemoryWorld, World


def run_sequences(world: World, count: int) -> None:  # noqa: F811
    class Machine(GraphMachine):
        pass

    Machine.world = world
    Machine.TestCase.settings = settings(
        max_examples=count, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
    )
    Machine.TestCase().runTest()


@pytest.mark.timeout(900)
def test_any_sequence_of_calls_on_graphs(world: World) -> None:  # noqa: F811
    run_sequences(world, 100 if isinstance(world, MemoryWorld) else 12)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_thousands_of_sequences_on_graphs(world: World) -> None:  # noqa: F811
    run_sequences(world, 3000 if isinstance(world, MemoryWorld) else 1000)
