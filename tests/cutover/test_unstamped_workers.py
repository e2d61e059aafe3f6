"""Messages without a stamp between real workers of both systems: each runs once, wherever that is."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from supaqueue.cutover.relayed import Relayed
from supaqueue.cutover.take_over import Announced, TakeOver
from supaqueue.devstack import Stack
from tests.cutover.processes import legacy_process
from tests.cutover.test_crash_points import scene_on
from tests.faults.crash_points_brokers import worker_environment, worker_words
from tests.faults.crash_points_ground import TASK_TYPE, Ground
from tests.faults.crash_points_world import Scene
from tests.valkey import Valkey
from tests.worker.waiting import until

pytestmark = pytest.mark.slow
"""Each test starts workers of both systems."""

LATER = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)


@pytest.fixture(params=["folder", "rq", "celery", "bullmq"])
def site(
    request: pytest.FixtureRequest,
    stack18: Stack,
    database: psycopg.Connection[Any],
    valkey: Valkey,
    tmp_path: Path,
    queue_name: str,
) -> Iterator[Scene]:
    """Both systems, empty, at 100 percent."""
    key = stack18.service_role_key
    ground = Ground(request.param, stack18.url, key, tmp_path, queue_name, valkey.url)
    with scene_on(ground, database) as made:
        made.world.go_to(100)
        yield made


def take_over(site: Scene) -> tuple[Announced, Relayed]:
    """Do as `rollout take-over` does."""
    announced = TakeOver(site.world.transport, site.world.legacy).announce()
    return announced, site.world.relay.turn()


def ran(site: Scene) -> dict[str, list[str]]:
    """Which systems began each job's handler."""
    found: dict[str, list[str]] = {}
    lines = site.ground.witness.read_text().splitlines() if site.ground.witness.exists() else []
    for job_id, system, _ in map(str.split, lines):
        found.setdefault(job_id, []).append(system)
    return found


def count_in_broker(site: Scene) -> int:
    """How many messages legacy holds, with workers or without."""
    counts = site.world.legacy.broker.count()
    return counts.pending + (counts.scheduled or 0) + (counts.retrying or 0) + (counts.leased or 0)


def test_what_waits_and_what_is_delayed_run_in_supabase(site: Scene) -> None:
    for number in range(5):
        site.put_unstamped(TASK_TYPE, number)
    site.put_unstamped(TASK_TYPE, 5, LATER)
    announced, relayed = take_over(site)
    assert (announced.adopted, announced.due, relayed.taken_over) == (6, 6, 6)
    assert not announced.unstamped
    assert count_in_broker(site) == 0
    with site.legacy_worker(), site.supabase_worker():
        until(lambda: len(ran(site)) == 5, "five runs")
    assert Counter(map(tuple, ran(site).values())) == {("supabase",): 5}
    found = site.world.database.execute("select run_at, payload from job_tasks where status = 'pending'")
    [(run_at, payload)] = found.fetchall()
    assert abs(run_at - LATER) < timedelta(seconds=1)
    assert payload == {"n": 5}


def test_of_what_workers_take_meanwhile_each_runs_once(site: Scene) -> None:
    for number in range(40):
        site.put_unstamped(TASK_TYPE, number)
    with site.legacy_worker(), site.supabase_worker():
        until(lambda: ran(site), "the first run")
        while count_in_broker(site):
            take_over(site)
        until(lambda: len(ran(site)) == 40, "forty runs")
        take_over(site)
    assert {len(systems) for systems in ran(site).values()} == {1}
    by_legacy = sum(systems == ["legacy"] for systems in ran(site).values())
    counts = site.world.legacy.index.count()
    assert (counts.unpublished, counts.published, counts.marked) == (0, 0, 0)
    assert counts.unstamped_runs <= by_legacy


@pytest.mark.parametrize("site", ["celery"], indirect=True)
def test_what_a_celery_worker_fetched_ahead_comes_over_once_it_has_stopped(site: Scene) -> None:
    ground, broker = site.ground, site.world.legacy.broker
    site.put_unstamped(TASK_TYPE, 1, LATER)
    log = ground.root / "worker.log"
    words, told = worker_words(ground), worker_environment(ground, None)
    with legacy_process(words, ground.broker_url, log, told) as worker:
        until(lambda: [one.why_left for one in broker.unstamped()] == ["with_worker"], "the fetch")
        announced, _ = take_over(site)
        assert (announced.adopted, announced.unstamped) == (0, {(TASK_TYPE, "with_worker"): 1})
        worker.process.send_signal(signal.SIGTERM)
        worker.process.wait(60)
    announced, relayed = take_over(site)
    assert (announced.adopted, relayed.taken_over) == (1, 1)
    assert count_in_broker(site) == 0
