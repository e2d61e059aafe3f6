"""The example's API over two queues: what it answers at each stage, whichever of them is down."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from supaqueue.contract import AbandonJobs, EnqueueJobs
from supaqueue.cutover.legacy.folder import FolderBroker
from supaqueue.cutover.spool import Spool
from supaqueue.devstack import Stack
from tests.acceptance.api_process import EXAMPLE, Api, is_unavailable
from tests.cutover.world import World
from tests.faults.proxy import Fault, FaultProxy
from tests.worker.waiting import until

ENQUEUE, ABANDON = EnqueueJobs.function, AbandonJobs.function
SETTLER = ("rollout", "relay", "--json")


@pytest.fixture
def proxy(stack18: Stack) -> Iterator[FaultProxy]:
    with FaultProxy(stack18.url) as proxy:
        yield proxy


@pytest.fixture
def env(stack18: Stack, proxy: FaultProxy, world: World, tmp_path: Path) -> dict[str, str]:
    """The environment of everything that the example starts, its way to Supabase through a proxy."""
    return stack18.env() | {
        "SUPABASE_URL": proxy.url,
        "SUPABASE_QUEUE_DUAL_WRITE": "true",
        "LEGACY_FOLDER": str(tmp_path / "legacy"),
        "SUPAQUEUE_LEGACY": f"folder:{tmp_path / 'legacy'}",
        "SUPAQUEUE_SPOOL": str(tmp_path / "spool"),
    }


@pytest.fixture
def refusing(env: dict[str, str], proxy: FaultProxy) -> dict[str, str]:
    """The same, with nobody at the end of the way."""
    with FaultProxy(proxy.url) as ended:
        return env | {"SUPABASE_URL": ended.url}


def pending(world: World) -> list[Any]:
    assert isinstance(world.legacy.broker, FolderBroker)
    return sorted(world.legacy.broker.files.pending.iterdir())


def in_supabase(database: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return database.execute("select owner, status from jobs where task_type is not null").fetchall()


def test_while_legacy_owns_it_runs_there(
    env: dict[str, str], world: World, database: psycopg.Connection[Any], tmp_path: Path
) -> None:
    world.go_to(0)
    with Api(tmp_path, env) as api:
        answer = api.post()
        assert answer.status_code == 201
        run_id = answer.json()["run_id"]
        assert api.runs() == {run_id: "queued"}
        assert in_supabase(database) == [("legacy", "mirrored")]
        worker = subprocess.Popen([sys.executable, "legacy_worker.py"], cwd=EXAMPLE, env=os.environ | env)
        try:
            until(lambda: api.show(run_id)["status"] == "completed", "the run to be completed", seconds=60)
        finally:
            worker.terminate()
            worker.wait(30)


def test_while_legacy_owns_supabase_may_be_down(
    refusing: dict[str, str], world: World, tmp_path: Path
) -> None:
    world.go_to(0)
    with Api(tmp_path, refusing | {"SUPABASE_QUEUE_ENABLED": "false"}) as api:
        assert api.post().status_code == 201
        assert list(api.runs().values()) == ["queued"]
    assert len(pending(world)) == 1
    assert Spool(tmp_path / "spool").drain(lambda records: None) == 1


def test_while_legacy_owns_supabases_answers_may_be_lost(
    env: dict[str, str], world: World, proxy: FaultProxy, tmp_path: Path
) -> None:
    world.go_to(0)
    proxy.expect_always(ENQUEUE, Fault.DROP_ANSWER)
    with Api(tmp_path, env) as api:
        assert api.post().status_code == 201
        assert list(api.runs().values()) == ["queued"]
    assert len(pending(world)) == 1


def test_legacy_owns_and_is_down(
    env: dict[str, str], world: World, database: psycopg.Connection[Any], tmp_path: Path
) -> None:
    world.go_to(0)
    with Api(tmp_path, env) as api:
        first = api.post().json()["run_id"]
        aside = (tmp_path / "legacy").rename(tmp_path / "aside")
        assert is_unavailable(api.post())
        aside.rename(tmp_path / "legacy")
        api.settle(*SETTLER)
        assert api.runs() == {first: "queued"}
        assert len(pending(world)) == 1
        assert api.post().status_code == 201
    assert len(pending(world)) == 2


def test_a_worker_settles_nothing_while_legacy_may_own_it(
    env: dict[str, str], world: World, proxy: FaultProxy, tmp_path: Path
) -> None:
    world.go_to(0)
    with Api(tmp_path, env) as api:
        run_id = api.post().json()["run_id"]
        api.doubt(run_id)
        with api.settling("worker", "jobs:registry", "--queue", "q", "--no-scheduler", "--settle") as worker:
            worker.until(lambda: "two queues are in use" in worker.text(), "it to say why not")
        assert (api.runs(), proxy.seen[ABANDON]) == ({run_id: "enqueue_unknown"}, 0)
        assert len(pending(world)) == 1
        with api.settling("worker", "jobs:registry", "--queue", "q", "--no-scheduler", "--relay") as worker:
            worker.until(lambda: api.runs() == {}, "its relay to settle it")
    assert pending(world) == []


def test_supabase_owns_and_is_down(refusing: dict[str, str], world: World, tmp_path: Path) -> None:
    world.go_to(100)
    with Api(tmp_path, refusing) as api:
        assert is_unavailable(api.post())
        assert api.runs() == {}
    assert pending(world) == []


def test_supabase_owns_and_its_answers_are_lost(
    env: dict[str, str], world: World, database: psycopg.Connection[Any], proxy: FaultProxy, tmp_path: Path
) -> None:
    world.go_to(100)
    proxy.expect_always(ENQUEUE, Fault.DROP_ANSWER)
    with Api(tmp_path, env) as api:
        assert is_unavailable(api.post())
        assert api.runs() == {}
        assert in_supabase(database) == [("supabase", "cancelled")]
    assert pending(world) == []


def test_supabase_owns_and_nothing_is_known_until_it_is_settled(
    env: dict[str, str], world: World, database: psycopg.Connection[Any], proxy: FaultProxy, tmp_path: Path
) -> None:
    world.go_to(100)
    proxy.expect_always(ENQUEUE, Fault.DROP_ANSWER)
    proxy.expect_always(ABANDON, Fault.DROP_REQUEST)
    with Api(tmp_path, env) as api:
        assert is_unavailable(api.post())
        assert list(api.runs().values()) == ["enqueue_unknown"]
        proxy.expect(ABANDON)
        with api.settling(*SETTLER) as settling:
            settling.until(lambda: api.runs() == {}, "the run to be settled")
            settling.until(lambda: '"settled_unknown": 1' in settling.text(), "the relay to say so")
    assert in_supabase(database) == [("supabase", "cancelled")]
    assert pending(world) == []
