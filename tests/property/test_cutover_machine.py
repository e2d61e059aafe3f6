"""Any interleaving of a cutover's processes loses no job and runs none twice."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from supaqueue.cutover import breaker
from supaqueue.devstack import Stack
from supaqueue.maintain.migrate import Migrator
from tests.cutover.sql_transport import SqlTransport
from tests.property.cutover_machine import CutoverMachine


@pytest.fixture
def own_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A stack of this test's own: the flag is for all that use the database. No clock decides anything."""
    monkeypatch.setattr("supaqueue.job_id.secrets", secrets)  # put back after the machine drew ids
    for name in ("SHORTEST_BUDGET_SECONDS", "LONGEST_BUDGET_SECONDS", "MISSES"):
        monkeypatch.setattr(breaker, name, 10**6)
    with Stack(tmp_path / "stack", durable=False) as stack:
        Migrator(stack.database_url).apply()
        yield stack
    stack.remove()


def run_sequences(stack: Stack, count: int) -> None:
    """Run `count` sequences of up to 30 steps."""

    class Machine(CutoverMachine):
        pass

    with psycopg.connect(stack.superuser_url, autocommit=True) as database:
        Machine.database = database
        Machine.direct = SqlTransport(database)
        Machine.TestCase.settings = settings(
            max_examples=count,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        Machine.TestCase().runTest()


@pytest.mark.timeout(900)  # a failure takes minutes to shrink
def test_any_interleaving(own_database: Stack) -> None:
    run_sequences(own_database, 150)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(1, 11))
def test_ten_thousand_interleavings(own_database: Stack, part: int) -> None:
    run_sequences(own_database, 1_000)
