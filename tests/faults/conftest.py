"""A proxy in front of a real stack, and settings that lead through it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from supaqueue.devstack import Stack
from supaqueue.settings import Settings
from supaqueue.transport import RestTransport
from tests.faults.proxy import FaultProxy


@pytest.fixture
def proxy(stack18: Stack) -> Iterator[FaultProxy]:
    """In front of the gateway; passes everything on until told otherwise."""
    with FaultProxy(stack18.url) as proxy:
        yield proxy


@pytest.fixture
def settings_through_proxy(stack18: Stack, proxy: FaultProxy) -> Settings:
    """For clients whose requests may meet faults."""
    return Settings(url=proxy.url, service_role_key=stack18.service_role_key)


@pytest.fixture
def direct(stack18: Stack) -> Iterator[RestTransport]:
    """Calls that meet no fault."""
    settings = Settings(url=stack18.url, service_role_key=stack18.service_role_key)
    with RestTransport(settings) as transport:
        yield transport


@pytest.fixture(scope="module", autouse=True)
def no_type_keeps_its_flag(stack18: Stack) -> Iterator[None]:
    """A story gives its own task type a flag; to other tests that would be a cutover that is under way."""
    yield
    with psycopg.connect(stack18.superuser_url, autocommit=True) as connection, connection.transaction():
        connection.execute("set local session_replication_role = replica")
        connection.execute("delete from feature_flag where task_type is not null")


@pytest.fixture
def database(stack18: Stack) -> Iterator[psycopg.Connection[Any]]:
    """A session that sees every row."""
    with psycopg.connect(stack18.superuser_url, autocommit=True) as connection:
        yield connection
