"""The suite of the clients, over the router, at stages where Supabase owns what is enqueued."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from supaqueue.cutover.async_router import AsyncDualWriteQueue
from supaqueue.cutover.legacy.folder import folder_queue
from supaqueue.cutover.router import DualWriteQueue
from supaqueue.cutover.spool import Spool
from supaqueue.cutover.switches import Switches
from supaqueue.devstack import Stack
from supaqueue.maintain.migrate import Migrator
from supaqueue.settings import Settings
from supaqueue.transport import RestTransport
from tests.contract.conftest import Blocking
from tests.contract.grounds import RestGround
from tests.contract.test_queues import *  # noqa: F403


@pytest.fixture(scope="module", params=["live", "complete"])
def routed_stack(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A stack whose flag stands at a stage where Supabase owns every job."""
    with Stack(tmp_path_factory.mktemp("routed"), durable=False) as stack:
        Migrator(stack.database_url).apply()
        with psycopg.connect(stack.superuser_url, autocommit=True) as database:
            database.execute("set session_replication_role = replica")  # no steps through the other stages
            database.execute(
                """update feature_flag
                   set stage = %s, rollout_percent = 100, is_enabled = true, holdback_percent = 0""",
                [request.param],
            )
        yield stack
    stack.remove()


@pytest.fixture
def ground(routed_stack: Stack, queue_name: str) -> RestGround:
    return RestGround(routed_stack, queue_name)


@pytest.fixture(params=["sync", "async"])
def queue(routed_stack: Stack, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A router of each colour, over its own connections."""
    given = (folder_queue(tmp_path / "legacy"), Settings.load(routed_stack.env(), dotenv=None))
    options: dict[str, Any] = {"switches": Switches(), "spool": Spool(tmp_path / "spool")}
    with asyncio.Runner() as runner:
        if request.param == "sync":
            with DualWriteQueue(*given, **options) as queue:
                yield queue
            return
        waits = Blocking(AsyncDualWriteQueue(*given, **options), runner)
        yield waits
        waits.aclose()


@pytest.fixture
def worker(ground: RestGround) -> Iterator[RestTransport]:
    transport = ground.transport()
    yield transport
    transport.close()
