"""The relay: each system is told of the other's jobs, whoever died before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from supaqueue.contract import NewJob
from supaqueue.cutover.legacy.entry import Ending
from supaqueue.cutover.relay_loop import RelayLoop
from supaqueue.cutover.relayed import Relayed
from supaqueue.cutover.spooled import mirror_record
from supaqueue.cutover.stamp import Stamp
from tests.cutover.world import World
from tests.sql.calls import endings


def test_a_job_of_supabase_is_parked_then_settled(world: World) -> None:
    world.go_to(100)
    job = world.new_job("supabase", tags=["a"], max_attempts=3, delay=0)
    assert world.enqueue(job) == ["created"]
    assert world.relay.turn() == Relayed(parked=1)
    assert world.relay.turn() == Relayed()
    entry = world.entry(job)
    assert entry is not None
    assert entry.job is not None
    assert (entry.owner, entry.state, entry.job.payload, entry.job.tags) == (
        "supabase",
        "parked",
        {"n": 1},
        ("a",),
    )
    assert world.published() == set()
    tasks = world.worker.claim()
    world.worker.finish(endings(tasks, "done", result={"sum": 3}))
    assert world.relay.turn() == Relayed(settled=1)
    entry = world.entry(job)
    assert entry is not None
    assert entry.ending is not None
    assert (entry.ending.status, entry.ending.result, entry.state) == ("completed", {"sum": 3}, "closed")
    assert world.row(job, "mirror_state") == ("settled",)


def test_one_that_ends_before_it_was_parked_is_settled_at_once(world: World) -> None:
    world.go_to(100)
    job = world.new_job("supabase")
    world.enqueue(job)
    world.worker.finish(endings(world.worker.claim(), "fail", error={"type": "E", "message": "m"}))
    assert world.relay.turn() == Relayed(settled=1)
    entry = world.entry(job)
    assert entry is not None
    assert entry.ending is not None
    assert (entry.ending.status, entry.ending.error) == ("failed", {"type": "E", "message": "m"})


def test_a_spooled_mirror_and_the_outcome_of_legacy_reach_supabase(world: World) -> None:
    world.go_to(0)
    job = world.new_job("legacy", payload={"secret": 1})
    world.spool.append([mirror_record(job)])
    world.legacy.enqueue([job])
    world.spool.close()
    assert world.run_in_legacy(job, result=[1]).verdict == "run"
    relay = world.relay
    assert relay.send_spooled() == Relayed(mirrored=1)
    assert relay.turn() == Relayed(outcomes=1)
    assert relay.send_spooled() == relay.turn() == Relayed()
    assert world.row(job, "owner", "status", "owner_outcome->>'status'", "owner_outcome->'result'") == (
        "legacy",
        "mirrored",
        "completed",
        [1],
    )
    assert world.worker.claim_all() == []


def test_what_has_been_over_for_long_leaves_the_index_and_only_that(world: World) -> None:
    world.go_to(0)
    over, untold, waiting = (world.new_job("legacy") for _ in range(3))
    for job in (over, untold, waiting):
        world.enqueue(job)
        world.legacy.enqueue([job])
    assert world.run_in_legacy(over).verdict == "run"
    assert world.relay.turn() == Relayed(outcomes=1)
    assert world.run_in_legacy(untold).verdict == "run"
    assert world.relay.forget(datetime.now(UTC) - timedelta(days=1)) == Relayed()
    assert world.relay.forget(datetime.now(UTC) + timedelta(minutes=1)) == Relayed(forgotten=1)
    assert world.entry(over) is None
    assert world.entry(untold) is not None
    loop = RelayLoop(world.relay, world.transport, index_kept=timedelta(minutes=-1))
    assert loop.turn() == Relayed(outcomes=1, forgotten=1)
    assert world.entry(untold) is None
    assert world.entry(waiting) is not None


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
def test_an_outcome_that_postgres_cannot_hold_keeps_no_other_one_waiting(world: World, text: str) -> None:
    world.go_to(0)
    odd, other, plain = (world.new_job("legacy") for _ in range(3))
    world.accept(odd, other, plain)
    world.run_in_legacy(plain)
    world.run_in_legacy(other, result={"n": "a\0b"})
    admission = world.guard.admit(Stamp(odd.job_id), odd.task_type)
    assert admission.run is not None
    with admission.run as run:
        run.finish(Ending("failed", error={"type": "E", "message": text}, attempts=1))
    assert world.relay.turn().outcomes == 3
    assert world.row(odd, "owner_outcome #>> '{error,message}'") == ("a\ufffdb",)
    assert world.row(other, "owner_outcome #>> '{result,n}'") == ("a\ufffdb",)
    assert world.row(plain, "owner_outcome ->> 'status'") == ("completed",)


def test_an_outcome_whose_mirror_was_lost_brings_the_mirror(world: World) -> None:
    world.go_to(0)
    job = world.new_job("legacy", delay=0)
    world.legacy.enqueue([job])
    world.run_in_legacy(job)
    assert world.relay.turn() == Relayed(outcomes=1)
    assert world.row(job, "owner", "owner_outcome->>'status'") == ("legacy", "completed")
    assert world.enqueue(job) == ["exists"], "the late mirror is the same job"


def test_what_was_abandoned_in_legacy_cannot_come_as_a_late_mirror(world: World) -> None:
    world.go_to(0)
    job = world.new_job("legacy")
    assert [one.answer for one in world.legacy.abandon([job.job_id])] == ["abandoned"]
    world.relay.turn()
    assert world.enqueue(job) == ["conflict"]
    assert [one.answer for one in world.legacy.enqueue([job])] == ["conflict"]


@pytest.mark.parametrize("parked_before", [True, False])
def test_a_job_handed_back_runs_in_legacy_once(world: World, parked_before: bool) -> None:
    world.go_to(100)
    job = world.new_job("supabase")
    world.enqueue(job)
    if parked_before:
        world.relay.turn()
    world.change(is_enabled=False, rollout_percent=0)
    world.change(hand_back="not_started")
    assert world.relay.hand_back() == Relayed(handed_back=1)
    assert world.row(job, "owner", "epoch", "status") == ("legacy", 1, "mirrored")
    assert world.relay.turn() == Relayed(released=1)
    assert world.published() == {(job.job_id, 1)}
    *_, last = world.relay.hand_back_pass()
    assert last.done
    assert world.run_in_legacy(job, epoch=0).verdict == "drop", "an older epoch runs nothing"
    assert world.run_in_legacy(job, epoch=1).verdict == "run"
    assert world.run_in_legacy(job, epoch=1).verdict == "drop"
    assert world.relay.turn() == Relayed(outcomes=1)
    assert world.row(job, "owner_outcome->>'status'") == ("completed",)


def close_in_legacy(world: World, job: NewJob, how: str) -> None:
    """End a job there for good, of which Supabase does not know."""
    if how == "ended":
        world.legacy.release([(job, 0)])
        assert world.run_in_legacy(job, result="sent").verdict == "run"
    elif how == "cancelled":
        world.relay.turn()
        assert [one.answer for one in world.legacy.cancel([job.job_id])] == ["cancelled"]
    else:
        if how == "abandoned when parked":
            world.relay.turn()
        assert world.legacy.abandon([job.job_id])[0].answer in ("abandoned", "cancelled")


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ("ended", "completed"),
        ("cancelled", "cancelled"),
        ("abandoned", "cancelled"),
        ("abandoned when parked", "cancelled"),
    ],
)
def test_a_job_handed_back_that_legacy_has_closed_ends_so(world: World, how: str, status: str) -> None:
    """Else it would be to be released for ever, and the hand-back never over."""
    world.go_to(100)
    job, other = world.new_job("supabase"), world.new_job("supabase")
    world.enqueue(job, other)
    close_in_legacy(world, job, how)
    world.change(is_enabled=False, rollout_percent=0)
    world.change(hand_back="not_started")
    assert world.relay.hand_back() == Relayed(handed_back=2)
    done = world.relay.turn()
    assert (done.released, done.closed_before) == (1, 1)
    assert world.row(job, "owner", "epoch", "mirror_state", "owner_outcome->>'status'") == (
        "legacy",
        1,
        "released",
        status,
    )
    assert world.published() - {(job.job_id, 0)} == {(other.job_id, 1)}
    assert world.relay.turn() == Relayed()
    *_, last = world.relay.hand_back_pass()
    assert last.done
    assert world.run_in_legacy(job, epoch=1).verdict == "drop"


def test_a_job_that_legacy_has_under_a_later_epoch_is_closed_once_it_ended(world: World) -> None:
    """As after a restore of Supabase from backup: until then it is named, and the hand-back is not over."""
    world.go_to(100)
    job = world.new_job("supabase")
    world.enqueue(job)
    world.legacy.release([(job, 2)])
    world.change(is_enabled=False, rollout_percent=0)
    world.change(hand_back="not_started")
    world.relay.hand_back()
    assert world.relay.turn() == world.relay.turn() == Relayed(disagreed=1)
    *_, last = world.relay.hand_back_pass()
    assert not last.done
    assert [one.answer for one in world.legacy.cancel([job.job_id])] == ["cancelled"]
    assert world.relay.turn().closed_before == 1
    assert world.row(job, "mirror_state", "owner_outcome->>'status'") == ("released", "cancelled")
    *_, last = world.relay.hand_back_pass()
    assert last.done


def test_a_job_taken_over_runs_in_supabase_once(world: World) -> None:
    from supaqueue.cutover.take_over import TakeOver

    world.go_to(10)
    job, started = world.new_job("legacy"), world.new_job("legacy")
    assert world.accept(job, started) == ["created", "created"]
    assert world.run_in_legacy(started).verdict == "run"
    announced = TakeOver(world.transport, world.legacy).announce()
    assert (announced.due, announced.left) == (1, 0)
    assert world.worker.claim_all() == [], "not before legacy's marker is won"
    done = world.relay.turn()
    assert (done.taken_over, done.outcomes) == (1, 1)
    assert world.published() == {(started.job_id, 0)}
    assert world.run_in_legacy(job).verdict == "drop"
    [task] = world.worker.claim_all()
    assert task["job_id"] == job.job_id
    world.worker.finish(endings([task], "done"))
    assert world.relay.turn() == Relayed(settled=1)
    assert world.row(job, "owner", "epoch", "status") == ("supabase", 1, "completed")


def test_a_take_over_that_legacy_was_faster_than_is_kept_there(world: World) -> None:
    from supaqueue.cutover.take_over import TakeOver

    world.go_to(10)
    job = world.new_job("legacy")
    world.accept(job)
    TakeOver(world.transport, world.legacy).announce()
    assert world.run_in_legacy(job).verdict == "run"
    done = world.relay.turn()
    assert (done.taken_over, done.outcomes) == (0, 1)
    assert world.row(job, "owner", "epoch", "owner_outcome->>'status'") == ("legacy", 0, "completed")
    assert world.worker.claim_all() == []


def test_what_is_cancelled_while_handed_over_runs_nowhere(world: World) -> None:
    world.go_to(100)
    job = world.new_job("supabase")
    world.enqueue(job)
    world.change(is_enabled=False, rollout_percent=0)
    world.change(hand_back="not_started")
    world.relay.hand_back()
    world.relay.turn()
    assert world.client.cancel(job.job_id).answer == "cancelled"
    assert world.run_in_legacy(job, epoch=1).verdict == "drop"
    world.relay.turn()
    assert world.published() == set()
    assert world.row(job, "mirror_state", "owner_outcome->>'status'") == ("settled", "cancelled")
