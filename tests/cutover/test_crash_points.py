"""Whatever process of a cutover is killed between whatever writes, no job is lost and none runs in both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import isfunction
from pathlib import Path
from typing import Any

import psycopg
import pytest

from supaqueue.contract import NewJob
from supaqueue.cutover.legacy.broker import Broker
from supaqueue.cutover.legacy.index import Index
from supaqueue.cutover.spool import Spool
from supaqueue.cutover.take_over import TakeOver
from supaqueue.devstack import Stack
from supaqueue.job_id import bucket_of
from supaqueue.transport import RestTransport
from tests.cutover.world import World
from tests.faults.crash_points_ground import TASK_TYPE, Ground
from tests.faults.crash_points_notes import noted_too_early
from tests.faults.crash_points_scenarios import (
    HIGH,
    SCENARIOS,
    Scenario,
    adopted,
    ended_without_a_mirror,
    unstamped,
    without_a_mirror,
)
from tests.faults.crash_points_table import WRITES, WRITES_IN_REDIS, WRITES_OF_AN_UNSTAMPED_RUN, points_of
from tests.faults.crash_points_world import Clock, Scene
from tests.faults.crash_points_writes import BROKER_READS, BROKER_WRITES, INDEX_READS, INDEX_WRITES
from tests.valkey import Valkey

KILLED = -9
WITHOUT_A_MIRROR = (without_a_mirror, ended_without_a_mirror, unstamped, adopted)
ENDED = ("after index.finish",)
POINTS = [(name, point) for name, writes in WRITES.items() for point in points_of(writes)]
OF_ENQUEUE = [one for one in POINTS if SCENARIOS[one[0]].operation.startswith("enqueue")]
REPEATS = [
    (name, point, how)
    for name, point in OF_ENQUEUE
    for how in ("ticket", "id")
    if how == "id" or SCENARIOS[name].operation == "enqueue"  # who is left behind gives no ticket for a key
]
OF_UNDO = [one for one in POINTS if SCENARIOS[one[0]].operation == "abandon"]


@pytest.fixture
def scene(
    stack18: Stack, database: psycopg.Connection[Any], tmp_path: Path, queue_name: str
) -> Iterator[Scene]:
    """Both systems, empty, with a folder as the legacy queue."""
    ground = Ground("folder", stack18.url, stack18.service_role_key, tmp_path, queue_name)
    with scene_on(ground, database) as made:
        yield made


@pytest.fixture(params=["rq", "celery", "bullmq"])
def redis_scene(
    request: pytest.FixtureRequest,
    stack18: Stack,
    database: psycopg.Connection[Any],
    valkey: Valkey,
    tmp_path: Path,
    queue_name: str,
) -> Iterator[Scene]:
    """The same, with a legacy queue in Redis."""
    key = stack18.service_role_key
    ground = Ground(request.param, stack18.url, key, tmp_path, queue_name, valkey.url)
    with scene_on(ground, database) as made:
        yield made


@contextmanager
def scene_on(ground: Ground, database: psycopg.Connection[Any]) -> Iterator[Scene]:
    """Both systems on a ground."""
    (ground.root / "witness").mkdir()
    clock = Clock()
    world = World(
        ground.settings,
        database,
        RestTransport(ground.settings),
        ground.legacy(clock),
        Spool(ground.spool),
        ground.queue_name,
        TASK_TYPE,
    )
    yield Scene(ground, world, clock)
    world.transport.close()
    world.legacy.close()


def killed_at(scene: Scene, name: str, point: str) -> tuple[Scenario, NewJob]:
    """Prepare a scenario, and kill its process there."""
    scenario = SCENARIOS[name]
    job = scenario.prepare(scene)
    if scene.ground.kind != "folder" and scenario.operation == "run_in_legacy":
        scene.kill_worker(point)
        return scenario, job
    scene.perform(scenario.operation, job, point, scenario.weather, scenario.last)
    assert scene.killed == KILLED, f"the point was not reached; writes: {scene.writes}"
    assert scene.told == [], "a caller that was killed was told nothing"
    job = scene.named(job)
    has_mirror = scenario.prepare not in WITHOUT_A_MIRROR
    assert noted_too_early(scene, job, has_mirror=has_mirror) == []
    return scenario, job


def check(scene: Scene, job: NewJob, *, is_accepted: bool, longest: int = 1) -> None:
    """Let the rest run, and judge what became of the job."""
    scene.rest()
    runs, recorded = scene.runs(job), scene.recorded(job)
    assert len(set(runs)) <= 1, f"started in both systems: {runs}"
    assert len(runs) <= longest, f"run again: {runs}"
    if is_accepted:
        assert runs, "accepted and lost"
    if runs:
        assert recorded == ("completed", "completed"), f"{runs} ended as {recorded}"
    else:
        assert set(recorded) <= {"cancelled", None}, f"never run, and ended as {recorded}"
    check_nothing_is_parked(scene)


def check_nothing_is_parked(scene: Scene) -> None:
    """No parked copy outlives its job."""
    assert scene.world.legacy.index.count().parked == 0
    if scene.ground.kind == "folder":
        assert list((scene.ground.root / "legacy" / "parked").iterdir()) == []


@pytest.mark.parametrize(
    ("protocol", "known"), [(Index, INDEX_WRITES | INDEX_READS), (Broker, BROKER_WRITES | BROKER_READS)]
)
def test_of_every_method_is_known_whether_it_writes(protocol: type, known: frozenset[str]) -> None:
    assert {name for name, one in vars(protocol).items() if isfunction(one) and name[0] != "_"} == known


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_writes_are_those_of_the_table(scene: Scene, name: str) -> None:
    scenario = SCENARIOS[name]
    job = scenario.prepare(scene)
    scene.perform(scenario.operation, job, None, scenario.weather, scenario.last)
    assert scene.killed == (0 if scenario.last is None else KILLED)
    job = scene.named(job)
    is_off = scenario.is_called_off or scenario.operation == "abandon"
    accepted = scene.told in (["created"], ["exists"]) or (scenario.is_accepted and not is_off)
    check(scene, job, is_accepted=accepted)
    if is_off:
        assert scene.runs(job) == []
    # A worker that has nothing left may claim once more before it is told to stop.
    writes = [write for write in scene.writes if not write.startswith("claim_job_tasks_v1 #")]
    assert tuple(writes) == WRITES[name]


@pytest.mark.parametrize(("name", "point"), [one for one in POINTS if one not in OF_UNDO])
def test_nothing_is_lost_or_run_twice(scene: Scene, name: str, point: str) -> None:
    scenario, job = killed_at(scene, name, point)
    had_ended = "completed" in scene.recorded(job)
    longest = 1 if had_ended else max(1, 1 + len(scene.runs(job)))
    if scenario.is_repeated:
        TakeOver(scene.world.transport, scene.world.legacy).announce()
    check(scene, job, is_accepted=scenario.is_accepted and not scenario.is_called_off, longest=longest)
    if scenario.is_called_off:
        assert scene.runs(job) == []


@pytest.mark.parametrize("point", points_of(WRITES_OF_AN_UNSTAMPED_RUN))
def test_a_killed_run_without_a_stamp_stays_in_legacy(scene: Scene, point: str) -> None:
    job = scene.named(unstamped(scene))
    scene.perform("run_in_legacy", job, point, "clear", "rename to done")
    assert scene.killed == KILLED, f"the point was not reached; writes: {scene.writes}"
    had_begun = WRITES_OF_AN_UNSTAMPED_RUN[1] in scene.writes
    with scene.legacy_worker():
        TakeOver(scene.world.transport, scene.world.legacy).announce()
        scene.rest(with_legacy=False)
    runs = scene.runs(job)
    assert len(set(runs)) == 1, f"lost, or started in both systems: {runs}"
    assert not had_begun or set(runs) == {"legacy"}
    assert len(runs) <= 2


@pytest.mark.slow
@pytest.mark.parametrize(("name", "point", "how"), REPEATS)
def test_a_repeat_of_the_caller_s_call_stores_it_once(scene: Scene, name: str, point: str, how: str) -> None:
    _, job = killed_at(scene, name, point)
    check_repeat(scene, job, how)


def check_repeat(scene: Scene, job: NewJob, how: str) -> None:
    """Let the caller's own successor repeat the call: with a ticket, or with all that it knows, the id."""
    if how == "ticket":
        job.place("legacy" if bucket_of(job.job_id) >= HIGH[0] else "supabase")
    else:
        job = NewJob(job.task_type, job.payload, queue=job.queue, job_id=job.job_id)
    [answer] = scene.router.enqueue_many([job])
    assert answer.answer in ("created", "exists")
    check(scene, job, is_accepted=True)


@pytest.mark.parametrize("point", points_of(WRITES["enqueue, legacy, by key"]))
def test_a_repeat_by_key_after_the_percent_was_raised(scene: Scene, point: str) -> None:
    _, job = killed_at(scene, "enqueue, legacy, by key", point)
    scene.world.change(rollout_percent=100)
    check_repeat(scene, job, "id")


@pytest.mark.parametrize(
    "is_repeated", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["repeated", "given up"]
)
@pytest.mark.parametrize(("name", "point"), OF_UNDO)
def test_an_undo_is_one_or_was_none(scene: Scene, name: str, point: str, is_repeated: bool) -> None:
    _, job = killed_at(scene, name, point)
    if is_repeated:
        [answer] = scene.router.abandon([job.job_id])
        assert answer.answer in ("abandoned", "cancelled")
        [late] = scene.router.enqueue_many([job])
        assert late.answer == "conflict"
    check(scene, job, is_accepted=False)
    if is_repeated:
        assert scene.runs(job) == []


IN_REDIS = [(name, point) for name, writes in WRITES_IN_REDIS.items() for point in points_of(writes)]


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITES_IN_REDIS)
def test_the_writes_in_redis_are_those_of_the_table(redis_scene: Scene, name: str) -> None:
    scenario = SCENARIOS[name]
    job = scenario.prepare(redis_scene)
    is_finish = scenario.operation == "run_in_legacy"
    if not is_finish:
        redis_scene.perform(scenario.operation, job, None, scenario.weather, None)
        writes = redis_scene.writes
        job = redis_scene.named(job)
    is_off = scenario.is_called_off or scenario.operation == "abandon"
    check(redis_scene, job, is_accepted=not is_off)
    assert len(redis_scene.runs(job)) == (0 if is_off else 1)
    if is_finish:
        writes = redis_scene.written()
    assert tuple(writes) == WRITES_IN_REDIS[name]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "point"), IN_REDIS)
def test_nothing_in_redis_is_lost_or_run_twice(redis_scene: Scene, name: str, point: str) -> None:
    scenario, job = killed_at(redis_scene, name, point)
    is_finish = scenario.operation == "run_in_legacy"
    is_sure = scenario.is_accepted and not scenario.is_called_off and scenario.operation != "abandon"
    if scenario.is_repeated:
        TakeOver(redis_scene.world.transport, redis_scene.world.legacy).announce()
    check(redis_scene, job, is_accepted=is_sure, longest=2 if is_finish and point not in ENDED else 1)
    if scenario.is_called_off:
        assert redis_scene.runs(job) == []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "point"), [one for one in IN_REDIS if one[0].startswith("enqueue")])
def test_a_repeat_in_redis_stores_it_once(redis_scene: Scene, name: str, point: str) -> None:
    _, job = killed_at(redis_scene, name, point)
    check_repeat(redis_scene, job, "ticket")
