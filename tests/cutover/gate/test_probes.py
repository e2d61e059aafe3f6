"""Probes through both systems, with real workers on either side: which are lost, where they do not show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, islice
from pathlib import Path

import pytest

from supaqueue.cli.rollout.judging import read_seen
from supaqueue.contract import PROBE_TYPE, NewJob, RegisterWorker
from supaqueue.cutover.gate.compared_jobs import ComparedJobs
from supaqueue.cutover.gate.evidence import Evidence, Probes, WorkerCalls
from supaqueue.cutover.gate.gate_rules import GateRules, Objectives, Share, load_gate_rules
from supaqueue.cutover.gate.look import Gate
from supaqueue.cutover.gate.passing import conditions_of
from supaqueue.cutover.gate.probes import Probing, SignsOfLife
from supaqueue.cutover.legacy.folder import FolderBroker
from supaqueue.cutover.legacy.folder_worker import FolderWorker
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.parity.sources import in_legacy, in_supabase
from supaqueue.cutover.stamp import Stamp
from supaqueue.cutover.take_over import TakeOver
from supaqueue.job_id import bucket_of
from supaqueue.worker import Registry
from tests.cutover.gate.seen import evidence
from tests.cutover.gate.test_judging import asked, broken, fired
from tests.cutover.gate.test_read_evidence import age
from tests.cutover.world import World
from tests.sql.calls import Worker, endings
from tests.worker.running import OwnQueue
from tests.worker.waiting import until

LONG_AGO, FAR_OFF = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def probing(world: World) -> Probing:
    return Probing(world.transport, world.legacy, (world.queue_name,))


@pytest.fixture
def registry() -> Registry:
    """A worker's, which says nothing of probes."""
    registry = Registry()
    registry.task("count")(lambda: None)
    return registry


@contextmanager
def legacy_worker(world: World, registry: Registry, folder: Path) -> Iterator[FolderWorker]:
    """A worker of the folder, in a thread."""
    worker = FolderWorker(registry, FolderBroker(folder / "legacy"), world.guard, poll_seconds=0.02)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(worker.run)
        try:
            yield worker
        finally:
            worker.stop()
            assert running.result(60)


def by_owner(signs: SignsOfLife) -> dict[str, Probes]:
    return {one.owner: one for one in signs.probes}


def grow_older(world: World, minutes: float = 1.0) -> None:
    """Let what happened so far lie further back, for Supabase."""
    ago = timedelta(minutes=minutes)
    world.database.execute("update job_probes set sent_at = sent_at - %s", [ago])
    world.database.execute("update job_tasks set finished_at = finished_at - %s", [ago])


def lose(world: World, probing: Probing, times: int) -> SignsOfLife:
    """Send one a minute, for which nobody is there."""
    for _ in range(times):
        probing.look()
        grow_older(world)
    grow_older(world, 0.1)
    return probing.look()


def test_one_goes_through_each_system_and_ends(
    world: World, probing: Probing, registry: Registry, tmp_path: Path
) -> None:
    own = OwnQueue(world.settings, world.client, world.queue_name)
    expected = {"supabase": ("q", 1, 0), "legacy": ("q", 1, 0)}
    ended = "select count(*) from job_tasks where purpose = 'probe' and status = 'completed'"
    with own.worker(registry) as running, legacy_worker(world, registry, tmp_path):
        for _ in range(2):
            found = by_owner(probing.look())
            told = {owner: (one.queue, one.sent, one.lost_in_a_row) for owner, one in found.items()}
            assert told == expected
        until(lambda: world.database.execute(ended).fetchone() == (1,), "the probe in Supabase")
        until(lambda: entries(world)[0].ending, "the probe in legacy")
        until(lambda: not list((tmp_path / "legacy" / "running").rglob("*.json")), "its file to go")
    assert not running.events._kept, "nobody is told of it"
    assert not list((tmp_path / "legacy" / "done").iterdir())
    found = by_owner(lose(world, probing, 3))
    assert (found["supabase"].sent, found["supabase"].workers) == (4, 0)
    assert [found[owner].lost_in_a_row for owner in ("supabase", "legacy")] == [2, 2]


def entries(world: World) -> list:  # type: ignore[type-arg]
    return list(world.legacy.list_by_time(LONG_AGO))


def test_lost_ones_are_told_of_either_system(world: World, probing: Probing) -> None:
    signs = lose(world, probing, 3)
    assert [(one.owner, one.lost_in_a_row) for one in signs.probes] == [("supabase", 3), ("legacy", 3)]
    assert signs.legacy_is_alive is True
    found = signs.within(Evidence(LONG_AGO, FAR_OFF, ()))
    assert (found.probes, found.legacy_is_alive) == (signs.probes, True)


def test_a_run_under_way_in_legacy_is_a_sign_of_life(world: World, probing: Probing) -> None:
    lose(world, probing, 3)
    job = world.new_job("legacy")
    world.accept(job)
    assert world.legacy.index.start(Stamp(job.job_id), "someone", 60) == "started"
    assert by_owner(probing.look())["legacy"].lost_in_a_row == 0
    world.legacy.index.free(Stamp(job.job_id), "someone")
    assert by_owner(probing.look())["legacy"].lost_in_a_row == 3


def test_a_probe_that_came_to_one_system_only_comes_to_the_other(world: World, probing: Probing) -> None:
    """Its sender died in between."""
    Probing(world.transport, None, (world.queue_name,)).look()
    assert entries(world) == []
    probing.look()
    [entry] = entries(world)
    assert world.database.execute("select job_id::text from job_probes").fetchall() == [(entry.job_id,)]


def test_probes_are_compared_relayed_and_taken_over_by_nobody(
    world: World, probing: Probing, registry: Registry, tmp_path: Path
) -> None:
    probing.look()
    assert TakeOver(world.transport, world.legacy).announce().answers == {}
    with legacy_worker(world, registry, tmp_path):
        until(lambda: entries(world)[0].ending, "the probe in legacy")
    assert world.legacy.index.count().unsent_endings == 1
    assert not world.relay.turn()
    assert world.legacy.index.count().unsent_endings == 0
    assert [row for page in in_supabase(world.transport, LONG_AGO, FAR_OFF) for row in page] == []
    assert [one for batch in in_legacy(world.legacy, LONG_AGO, FAR_OFF) for one in batch] == []
    assert world.database.execute("select count(*) from jobs").fetchone() == (1,)


def test_what_is_not_to_be_probed_is_not(world: World) -> None:
    signs = Probing(world.transport, world.legacy, ("q",), through_legacy=False).look()
    assert ([one.owner for one in signs.probes], signs.legacy_is_alive) == (["supabase"], True)
    assert entries(world) == []
    unknown = Probing(world.transport, None, ("q",)).look()
    assert (set(by_owner(unknown)), unknown.legacy_is_alive) == ({"supabase"}, None)


def test_a_legacy_queue_that_is_away_is_told(
    world: World, probing: Probing, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "legacy" / "writing").rmdir()
    (tmp_path / "legacy" / "writing").write_text("no folder")
    signs = probing.look()
    assert (set(by_owner(signs)), signs.legacy_is_alive) == ({"supabase"}, False)
    assert "gives no answer" in caplog.text


def test_queues_of_an_older_sdk_are_told(world: World) -> None:
    world.transport.send(RegisterWorker("old", ("q",), ("count",), 4, "host", 7, "0.0"))
    signs = Probing(world.transport, world.legacy).look()
    assert (signs.probes, signs.unprobed, signs.worker_calls) == ((), ("q",), None)


def test_calls_of_workers_are_told(
    world: World, registry: Registry, probing: Probing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supaqueue.worker.heartbeat.REGISTER_SECONDS", 0.05)
    own = OwnQueue(world.settings, world.client, world.queue_name)
    with own.worker(registry, lease_seconds=1.0):
        own.ended(own.enqueue("count"))
        calls = until(lambda: probing.look().worker_calls, "a worker to tell")
    assert isinstance(calls, WorkerCalls)
    assert (calls.failed, calls.seconds) == (0, 0.0)
    assert calls.sent > 0


def test_a_queue_that_holds_no_such_job_is_not_probed(
    world: World, probing: Probing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A team's own adapter, without queues."""
    monkeypatch.setattr(FolderBroker, "expresses", frozenset())
    refused: Callable[[LegacyQueue, NewJob], None] = LegacyQueue.check
    with pytest.raises(Exception, match="queue"):
        refused(world.legacy, NewJob(PROBE_TYPE, queue="q"))
    signs = probing.look()
    assert (set(by_owner(signs)), signs.legacy_is_alive) == ({"supabase"}, True)


@pytest.mark.parametrize(("lost", "states"), [(2, ["met"]), (3, ["unmet"])])
def test_legacys_lost_probes_keep_a_step_from_passing_and_take_nothing_back(
    lost: int, states: list[str]
) -> None:
    seen = evidence(probes=(Probes("q", "legacy", 9, lost),), unprobed=("old",))
    conditions = conditions_of(asked(evidence=seen))
    assert [one.state for one in conditions if one.name == "legacy_probes"] == states
    assert [one.figures["queue"] for one in conditions if one.name == "probes"] == ["old"]
    assert "probes" not in broken(conditions), "what an older version does not run is told, no more"
    assert fired(seen) == set()
    assert fired(evidence(probes=(Probes("q", "supabase", 9, lost),))) == ({"probes"} if lost == 3 else set())


SMALL = GateRules(
    (Share(Decimal(50), 0.05, 0.0), Share(Decimal(100), 0.05, 0.0)),
    Objectives(0.05),
    least_backlog_minutes=1,
    first_seconds=0,
    settle_seconds=0,
)
"""A step that 59 jobs can prove."""
A_MINUTE_AGO = (
    "update job_backlogs set minute = minute - interval '1 minute',"
    " sampled_at = sampled_at - interval '1 minute'"
)
AN_HOUR_AGO = (
    "update rollout_steps set began_at = began_at - interval '1 hour'",
    "delete from job_cohort_marks",
)


def end_some(world: World, jobs: int) -> None:
    """So many end well in either system, as does what was sent as a probe."""
    given = (world.new_job("supabase") for _ in count())
    world.enqueue(*islice((job for job in given if bucket_of(job.job_id) < 5_000), jobs))
    worker = Worker(world.database, queues=[world.queue_name], task_types=[world.task_type, PROBE_TYPE])
    while claimed := worker.claim(jobs):
        worker.finish(endings(claimed, "done"))
    legacy = [world.new_job("legacy") for _ in range(jobs)]
    world.accept(*legacy)
    for job in legacy:
        assert world.run_in_legacy(job).verdict == "run"
    while world.relay.turn():
        pass


def test_a_canary_with_probes_under_way_can_pass(world: World) -> None:
    """They are no type of task that has to prove itself."""
    probing = Probing(world.transport, world.legacy, (world.queue_name,), through_legacy=False)

    def read(since: datetime) -> Evidence:
        found = read_seen(world.transport, SMALL, since, with_first_attempts=True)
        return probing.look().within(found)

    def compare(since: datetime, until: datetime, types: object) -> ComparedJobs:
        return ComparedJobs(since, until, 1000, 0)

    gate = Gate(world.transport, read, compare, SMALL, "test")
    world.go_to(50)
    assert gate.look().answer == "hold"
    end_some(world, 60)
    world.database.execute(A_MINUTE_AGO.encode())
    assert gate.look().answer == "hold"
    for statement in AN_HOUR_AGO:
        world.database.execute(statement.encode())
    age(world)
    grow_older(world)
    verdict = gate.look()
    assert by_owner(probing.look())["supabase"].sent == 2
    assert {one.task_type for one in verdict.conditions if one.name == "errors"} == {world.task_type}
    assert verdict.answer == "pass", verdict.because


def test_probes_through_legacy_can_be_left_out_by_a_rule(tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    assert GateRules().legacy_probes
    file.write_text("legacy_probes = false")
    assert not load_gate_rules(file).legacy_probes
