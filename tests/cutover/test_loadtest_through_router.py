"""`supaqueue loadtest --through-router`: half of its jobs run in a folder, half in Supabase."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from supaqueue.cli.loadtest.own_handler import registry
from supaqueue.cutover.guard import Guard
from supaqueue.cutover.legacy.folder import FolderBroker, folder_queue
from supaqueue.cutover.legacy.folder_worker import FolderWorker
from supaqueue.cutover.relay_loop import RelayLoop
from supaqueue.devstack import Stack
from tests.cli.loadtests import LoadTests, rows, workers
from tests.cutover.world import World

QUEUE = "load-both"


@pytest.fixture
def legacy_worker(world: World, tmp_path: Path) -> Iterator[None]:
    """Runs what waits in the folder; with a relay, which tells Supabase of it."""
    queue = folder_queue(tmp_path / "legacy")
    assert isinstance(queue.broker, FolderBroker)
    worker = FolderWorker(registry, queue.broker, Guard(queue.index), poll_seconds=0.02)
    relay = RelayLoop(world.relay, world.transport)
    thread = threading.Thread(target=worker.run)
    thread.start()
    relay.start()
    yield
    worker.stop()
    thread.join()
    relay.stop()
    queue.close()


@pytest.mark.slow
def test_measures_both_systems_as_one(
    world: World,
    legacy_worker: None,
    stack18: Stack,
    database: psycopg.Connection[Any],
    tmp_path: Path,
) -> None:
    world.go_to(50)
    loadtests = LoadTests(stack18, tmp_path)
    code, found = loadtests.json(
        *("--duration-seconds", "5", "--rate", "20", "--concurrency", "20", "--queue", QUEUE),
        *("--slo-ms", "60000", "--percentile", "50", "--through-router"),
        SUPAQUEUE_LEGACY=f"folder:{tmp_path / 'legacy'}",
        SUPAQUEUE_SPOOL=str(tmp_path / "spool"),
    )
    jobs = found["jobs"]
    assert (code, found["verdict"]) == (0, "met"), found
    assert jobs["due"] == jobs["accepted"] == jobs["completed"] == found["latency_ms"]["finish"]["count"]
    owners = jobs["by_owner"]
    # One in a million that either has less than a fifth.
    assert sum(owners.values()) == jobs["due"]
    assert min(owners["supabase"], owners["legacy"]) > jobs["due"] / 5
    assert set(found["clocks"]) == {"supabase", "legacy"}
    # What of the durations only Supabase tells is told of its jobs alone.
    assert found["latency_ms"]["pickup"]["count"] == owners["supabase"]
    assert found["backlog"]["drained"] is True
    assert found["cleaned_up"]["failed"] is None
    assert workers(database, QUEUE) == []
    assert rows(database, QUEUE, "pending") == 0
    assert found["cleaned_up"]["removed"] > 0


def test_needs_to_know_the_old_queue(stack18: Stack, tmp_path: Path) -> None:
    done = LoadTests(stack18, tmp_path).run("--through-router", SUPAQUEUE_LEGACY="")
    assert (done.returncode, done.stdout) == (3, "")
    assert "this needs the legacy queue, and none is named" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
