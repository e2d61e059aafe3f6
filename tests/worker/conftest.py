"""Workers on a real stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from supaqueue.client.queue import Queue
from supaqueue.devstack import Stack
from supaqueue.settings import Settings
from supaqueue.worker import Registry
from tests.faults.proxy import FaultProxy
from tests.worker.processes import WorkerProcess, environment, killed_at_the_end, start_worker
from tests.worker.running import OwnQueue


@pytest.fixture
def queue(stack18: Stack) -> Iterator[OwnQueue]:
    """A queue of this test's own, on the newest Postgres."""
    settings = Settings(url=stack18.url, service_role_key=stack18.service_role_key)
    with Queue(settings) as client:
        yield OwnQueue(settings, client)


@pytest.fixture
def registry() -> Registry:
    """An empty registry."""
    return Registry()


@pytest.fixture
def database(stack18: Stack) -> Iterator[psycopg.Connection[Any]]:
    """A session that sees every row."""
    with psycopg.connect(stack18.superuser_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def proxy(stack18: Stack) -> Iterator[FaultProxy]:
    """In front of the gateway; passes everything on until told otherwise."""
    with FaultProxy(stack18.url) as proxy:
        yield proxy


@pytest.fixture
def settings_through_proxy(stack18: Stack, proxy: FaultProxy) -> Settings:
    """For workers whose requests are counted or meet faults."""
    return Settings(url=proxy.url, service_role_key=stack18.service_role_key)


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A folder whose file `open` lets waiting handlers end."""
    folder = tmp_path / "gate"
    folder.mkdir()
    return folder


@pytest.fixture
def start(stack18: Stack, queue: OwnQueue, tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts worker processes for this test's queue, each with the options of the command line given."""
    started: list[WorkerProcess] = []

    def start_one(*options: str, url: str | None = None) -> WorkerProcess:
        log = tmp_path / f"worker{len(started)}.log"
        started.append(start_worker(environment(stack18, url), log, queue.name, *options))
        return started[-1]

    with killed_at_the_end(started):
        yield start_one
