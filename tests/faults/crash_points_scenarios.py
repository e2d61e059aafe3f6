"""What is killed, and from where it sets out: one scenario for each way through an operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from supaqueue.contract import NewJob
from supaqueue.cutover.spooled import mirror_record
from supaqueue.cutover.take_over import TakeOver
from tests.faults.crash_points_child import Weather
from tests.faults.crash_points_ground import TASK_TYPE, note
from tests.faults.crash_points_world import Scene
from tests.sql.calls import endings

HIGH, LOW = (5_000, 10_000), (0, 5_000)
"""Buckets that legacy owns at a canary of 50 percent, and those that Supabase does."""


@dataclass(frozen=True)
class Scenario:
    """One way through one operation.

    Attributes:
        operation: what the killed process does.
        prepare: makes the job, and all that was before.
        weather: see `Plan`.
        last: the write after which one that works for ever is done.
        is_accepted: whether the caller was told that the job is accepted, before.
        is_called_off: whether it was told that the job will not run, before.
        is_repeated: whether who takes over does so again, after the kill.
    """

    operation: str
    prepare: Callable[[Scene], NewJob]
    weather: Weather = "clear"
    last: str | None = None
    is_accepted: bool = True
    is_called_off: bool = False
    is_repeated: bool = False


def for_legacy(scene: Scene) -> NewJob:
    """A job that legacy is to own."""
    scene.world.go_to(50)
    return scene.new_job(*HIGH)


def for_supabase(scene: Scene) -> NewJob:
    """A job that Supabase is to own."""
    scene.world.go_to(50)
    return scene.new_job(*LOW)


def with_a_key(scene: Scene) -> NewJob:
    """A job whose id the caller can make again, once the percent was raised."""
    scene.world.go_to(50)
    return scene.new_job(*HIGH, key="order 1")


def with_a_key_of_supabase_s(scene: Scene) -> NewJob:
    """The same, where Supabase is to own it."""
    scene.world.go_to(50)
    return scene.new_job(*LOW, key="order 2")


def reserved(scene: Scene) -> NewJob:
    """One by key, of which another process has reserved the id, and died."""
    job = with_a_key_of_supabase_s(scene)
    assert scene.world.legacy.index.reserve([job.job_id]) == ["supabase"]
    return job


def reserved_and_stored(scene: Scene) -> NewJob:
    """The same, where the other process died once Supabase had the job."""
    job = reserved(scene)
    stored = NewJob.from_row(job.row())
    stored.place("supabase")
    assert scene.world.enqueue(stored) == ["created"]
    return job


def accepted_by_legacy(scene: Scene) -> NewJob:
    """One that waits in legacy, with its mirror."""
    job = for_legacy(scene)
    assert scene.router.enqueue_many([job])[0].owner == "legacy"
    return job


def accepted_by_supabase(scene: Scene) -> NewJob:
    """One that waits in Supabase, and of which legacy knows nothing yet."""
    job = for_supabase(scene)
    job.place("supabase")
    assert scene.world.enqueue(job) == ["created"]
    return job


def with_a_spooled_mirror(scene: Scene) -> NewJob:
    """One that waits in legacy, with its mirror in the spool."""
    job = without_a_mirror(scene)
    scene.world.spool.append([mirror_record(job)])
    scene.world.spool.close()
    return job


def without_a_mirror(scene: Scene) -> NewJob:
    """One that waits in legacy, and of which Supabase knows nothing."""
    job = for_legacy(scene)
    job.place("legacy")
    scene.world.legacy.enqueue([job])
    return job


def parked(scene: Scene) -> NewJob:
    """One that waits in Supabase, with its parked copy."""
    job = accepted_by_supabase(scene)
    assert scene.world.relay.turn().parked == 1
    return job


def ended_in_supabase(scene: Scene) -> NewJob:
    """One that has run there, which its parked copy does not know."""
    job = parked(scene)
    tasks = scene.world.worker.claim()
    note(scene.ground.witness, f"{job.job_id} supabase 0\n")
    scene.world.worker.finish(endings(tasks, "done"))
    return job


def ended_in_legacy(scene: Scene) -> NewJob:
    """One that has run there, which its mirror does not know; its message is there still."""
    return _run_in_legacy(scene, accepted_by_legacy(scene))


def ended_without_a_mirror(scene: Scene) -> NewJob:
    """The same, where the mirror never came."""
    return _run_in_legacy(scene, without_a_mirror(scene))


def going_back(scene: Scene) -> NewJob:
    """One that waits in Supabase when a hand-back is on."""
    job = parked(scene)
    scene.world.change(is_enabled=False, rollout_percent=0)
    scene.world.change(hand_back="not_started")
    return job


def handed_back(scene: Scene) -> NewJob:
    """One that Supabase has given up, and legacy has not yet."""
    job = going_back(scene)
    assert scene.world.relay.hand_back().handed_back == 1
    return job


def released(scene: Scene) -> NewJob:
    """One that was handed over, and waits in legacy under a later epoch."""
    job = handed_back(scene)
    assert scene.world.relay.turn().released == 1
    return job


def cancelled_on_the_way(scene: Scene) -> NewJob:
    """One that was handed over and then cancelled, while a message of it waits."""
    job = released(scene)
    assert scene.world.client.cancel(job.job_id).answer == "cancelled"
    return job


def announced(scene: Scene) -> NewJob:
    """One that waits in legacy and is to be taken over."""
    job = accepted_by_legacy(scene)
    assert TakeOver(scene.world.transport, scene.world.legacy).announce().due == 1
    return job


def unstamped(scene: Scene) -> NewJob:
    """One that waits in legacy, where something sent it around the router."""
    scene.world.go_to(50)
    return scene.put_unstamped(TASK_TYPE)


def adopted(scene: Scene) -> NewJob:
    """The same, of which a take-over has made a job of legacy's, and died."""
    job = unstamped(scene)
    legacy = scene.world.legacy
    assert legacy.adopt(list(legacy.broker.unstamped())) == ["adopted"]
    return scene.named(job)


def announced_without_a_stamp(scene: Scene) -> NewJob:
    """The same, where Supabase was told that it is to come."""
    job = unstamped(scene)
    assert TakeOver(scene.world.transport, scene.world.legacy).announce().due == 1
    return scene.named(job)


def _run_in_legacy(scene: Scene, job: NewJob) -> NewJob:
    note(scene.ground.witness, f"{job.job_id} legacy 0\n")
    assert scene.world.run_in_legacy(job).verdict == "run"
    return job


SCENARIOS: dict[str, Scenario] = {
    "enqueue, legacy": Scenario("enqueue", for_legacy, is_accepted=False),
    "enqueue, legacy, Supabase silent": Scenario("enqueue", for_legacy, "silent", is_accepted=False),
    "enqueue, legacy, answer lost": Scenario("enqueue", for_legacy, "lost", is_accepted=False),
    "enqueue, legacy, by key": Scenario("enqueue", with_a_key, is_accepted=False),
    "enqueue, legacy, by key, Supabase silent": Scenario("enqueue", with_a_key, "silent", is_accepted=False),
    "enqueue, Supabase, by key": Scenario("enqueue", with_a_key_of_supabase_s, is_accepted=False),
    "enqueue, left behind": Scenario(
        "enqueue_left_behind", with_a_key_of_supabase_s, "silent", is_accepted=False
    ),
    "enqueue, left behind, reserved": Scenario("enqueue_left_behind", reserved, is_accepted=False),
    "enqueue, left behind, reserved, silent": Scenario(
        "enqueue_left_behind", reserved, "silent", is_accepted=False
    ),
    "enqueue, left behind, stored, silent": Scenario(
        "enqueue_left_behind", reserved_and_stored, "silent", is_accepted=False
    ),
    "enqueue, Supabase": Scenario("enqueue", for_supabase, is_accepted=False),
    "enqueue, Supabase, silent": Scenario("enqueue", for_supabase, "silent", is_accepted=False),
    "enqueue, Supabase, answer lost": Scenario("enqueue", for_supabase, "lost", is_accepted=False),
    "relay, spooled mirror": Scenario("send_spooled", with_a_spooled_mirror),
    "relay, park": Scenario("turn", accepted_by_supabase),
    "relay, settle": Scenario("turn", ended_in_supabase),
    "relay, outcome": Scenario("turn", ended_in_legacy),
    "relay, outcome without mirror": Scenario("turn", ended_without_a_mirror),
    "relay, cancelled on the way": Scenario("turn", cancelled_on_the_way, is_called_off=True),
    "hand-back": Scenario("hand_back", going_back),
    "release": Scenario("turn", handed_back),
    "take-over": Scenario("take_over", accepted_by_legacy),
    "take-over, unknown here": Scenario("take_over", without_a_mirror),
    "take-over, relay": Scenario("turn", announced),
    "take-over, unstamped": Scenario("take_over", unstamped, is_repeated=True),
    "take-over, unstamped, adopted": Scenario("take_over", adopted),
    "take-over, unstamped, relay": Scenario("turn", announced_without_a_stamp),
    "undo, legacy": Scenario("abandon", accepted_by_legacy),
    "undo, legacy, spooled mirror": Scenario("abandon", with_a_spooled_mirror),
    "undo, Supabase": Scenario("abandon", parked),
    "undo, not come": Scenario("abandon", for_legacy, is_accepted=False),
    "finish, legacy": Scenario("run_in_legacy", accepted_by_legacy, last="rename to done"),
    "finish, handed over": Scenario("run_in_legacy", released, last="rename to done"),
    "finish, unstamped, adopted": Scenario("run_in_legacy", adopted, last="rename to done"),
    "finish, Supabase": Scenario("run_in_supabase", parked, last="finish_job_tasks_v1"),
}
