"""Jobs that have ended, in a queue of the test's own on a real stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from supaqueue.contract import RetentionPolicy
from supaqueue.devstack import Stack
from supaqueue.maintain.retention import Retention
from supaqueue.settings import Settings
from tests.sql.calls import Worker


@pytest.fixture
def database(stack18: Stack) -> Iterator[psycopg.Connection[Any]]:
    """A session that sees and may change every row."""
    with psycopg.connect(stack18.superuser_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def worker(database: psycopg.Connection[Any], queue_name: str) -> Worker:
    """One that serves the test's queue."""
    return Worker(database, queues=[queue_name])


@pytest.fixture
def settings(stack18: Stack) -> Settings:
    return Settings(url=stack18.url, service_role_key=stack18.service_role_key)


@pytest.fixture
def policy(queue_name: str) -> RetentionPolicy:
    """Whatever has ended in the test's queue goes."""
    return RetentionPolicy(completed=0, failed=0, cancelled=0, queue=queue_name)


@pytest.fixture
def left(database: psycopg.Connection[Any], queue_name: str) -> Callable[[], list[str]]:
    """Says which jobs of the test's queue are in the table."""

    def ids() -> list[str]:
        rows = database.execute("select job_id::text from jobs where queue = %s", [queue_name])
        return [job_id for (job_id,) in rows]

    return ids


@pytest.fixture
def retention(settings: Settings, policy: RetentionPolicy) -> Iterator[Callable[..., Retention]]:
    """Makes removals of the test's queue that never rest."""
    made: list[Retention] = []

    def make(archive: Path | None = None, **options: Any) -> Retention:
        made.append(Retention(policy, settings, archive=archive, **{"share": 1.0} | options))
        return made[-1]

    yield make
    for one in made:
        one.close()
