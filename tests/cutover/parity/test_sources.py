"""Both systems, observed: the same job is told in the same words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from supaqueue.contract import NewJob
from supaqueue.cutover.parity.observation import Observation
from supaqueue.cutover.parity.sources import in_legacy, in_legacy_by_id, in_supabase, in_supabase_by_id
from tests.cutover.world import World
from tests.sql.calls import endings

ALWAYS = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
Seen = tuple[Observation, Observation]


def both(world: World, job: NewJob) -> Seen:
    """What legacy and Supabase say, found by time, and found alike by id."""
    [legacy] = [
        one for batch in in_legacy(world.legacy, *ALWAYS) for one in batch if one.job_id == job.job_id
    ]
    [supabase] = [
        one for page in in_supabase(world.transport, *ALWAYS) for one in page if one.job_id == job.job_id
    ]
    assert list(in_legacy_by_id(world.legacy, [job.job_id])) == [legacy]
    assert list(in_supabase_by_id(world.transport, [job.job_id])) == [supabase]
    return legacy, supabase


def told(one: Observation) -> tuple[str, int, str, int, str | None]:
    return one.owner, one.epoch, one.state, one.starts, one.outcome and one.outcome.status


def test_a_job_of_legacys_from_its_start_to_its_end(world: World) -> None:
    world.go_to(0)
    job = world.new_job("legacy", payload={"n": 1}, run_at=datetime.now(UTC) + timedelta(hours=1))
    world.accept(job)
    legacy, supabase = both(world, job)
    assert (told(legacy), told(supabase)) == (
        ("legacy", 0, "waiting", 0, None),
        ("legacy", 0, "copy", 0, None),
    )
    assert (legacy.task_type, legacy.payload, legacy.due_at) == ("count", {"n": 1}, supabase.due_at)
    assert (supabase.task_type, supabase.payload) == ("count", {"n": 1})
    admission = world.guard.admit({"v": 1, "job_id": job.job_id, "epoch": 0}, "count")
    assert told(both(world, job)[0]) == ("legacy", 0, "running", 1, None)
    assert admission.run is not None
    admission.run.free()
    world.run_in_legacy(job, result={"sum": 7})
    world.relay.turn()
    legacy, supabase = both(world, job)
    assert (told(legacy), told(supabase)) == (
        ("legacy", 0, "completed", 2, "completed"),
        ("legacy", 0, "copy", 0, "completed"),
    )
    assert legacy.outcome is not None
    assert legacy.outcome == supabase.outcome, "to the microsecond"
    assert legacy.outcome.result == {"sum": 7}


def test_a_job_of_supabases_from_its_start_to_its_end(world: World) -> None:
    world.go_to(100)
    job = world.new_job("supabase")
    world.enqueue(job)
    world.relay.turn()
    legacy, supabase = both(world, job)
    assert (told(legacy), told(supabase)) == (
        ("supabase", 0, "copy", 0, None),
        ("supabase", 0, "waiting", 0, None),
    )
    worker = world.worker
    tasks = worker.claim()
    worker.heartbeat(tasks, started=tasks)
    assert told(both(world, job)[1]) == ("supabase", 0, "running", 1, None)
    worker.finish(endings(tasks, "fail", error={"type": "E", "message": "no"}))
    world.relay.turn()
    legacy, supabase = both(world, job)
    assert (told(legacy), told(supabase)) == (
        ("supabase", 0, "copy", 0, "failed"),
        ("supabase", 0, "failed", 1, "failed"),
    )
    assert legacy.outcome == supabase.outcome


def test_a_job_on_its_way_to_legacy(world: World) -> None:
    world.go_to(100)
    job = world.new_job("supabase")
    world.enqueue(job)
    world.relay.turn()
    world.change(is_enabled=False, rollout_percent=0)
    world.change(hand_back="not_started")
    world.relay.hand_back()
    assert told(both(world, job)[1])[:3] == ("legacy", 1, "moving")
    world.relay.turn()
    legacy, supabase = both(world, job)
    assert (told(legacy), told(supabase)) == (
        ("legacy", 1, "waiting", 0, None),
        ("legacy", 1, "copy", 0, None),
    )


def test_an_intent_and_tombstones(world: World) -> None:
    world.go_to(0)
    intent, gone = world.new_job("legacy"), world.new_job("legacy")
    world.enqueue(intent)
    world.legacy.index.accept([intent])
    assert told(both(world, intent)[0]) == ("legacy", 0, "intent", 0, None)
    world.client.abandon([gone.job_id])
    world.legacy.abandon([gone.job_id])
    legacy, supabase = both(world, gone)
    assert (legacy.state, supabase.state) == ("gone", "gone")
    assert legacy.task_type is supabase.task_type is None


def test_a_shadow_run_is_told_apart(world: World) -> None:
    world.go_to(0)
    world.change(stage="shadow", shadow_percent=100)
    job = world.new_job("legacy")
    world.accept(job)
    worker = world.worker
    result = {"result": 3, "effects": [], "effect_count": 0}
    worker.finish(endings(worker.claim(), "done", result=result))
    seen = both(world, job)[1]
    assert seen.outcome is None
    assert seen.shadow is not None
    assert (seen.shadow.status, seen.shadow.result, seen.state) == ("completed", 3, "copy")


@pytest.mark.parametrize("count", [1, 2_500])
def test_all_of_a_time_are_listed_once(world: World, count: int) -> None:
    world.go_to(0)
    jobs = [world.new_job("legacy", payload={"n": n}) for n in range(count)]
    for first in range(0, count, 1_000):
        world.accept(*jobs[first : first + 1_000])
    ids = {job.job_id for job in jobs}
    legacys = [one.job_id for batch in in_legacy(world.legacy, *ALWAYS) for one in batch]
    supabases = [one.job_id for page in in_supabase(world.transport, *ALWAYS) for one in page]
    assert (len(legacys), len(supabases)) == (count, count)
    assert set(legacys) == set(supabases) == ids
    assert [one for batch in in_legacy(world.legacy, ALWAYS[0], ALWAYS[0]) for one in batch] == []
