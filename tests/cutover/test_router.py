"""Two queues as one: each job has one owner, whatever is lost, repeated or changed meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supaqueue.contract import AbandonJobs, NewJob
from supaqueue.cutover.errors import LegacyUnavailable, NotExpressible, SpoolError
from supaqueue.cutover.rollout import Rollout
from supaqueue.cutover.spool import Spool
from supaqueue.cutover.switches import DUAL_WRITE, Switches
from supaqueue.cutover.tenants import key_bucket
from supaqueue.devstack import Stack
from supaqueue.errors import ConfigurationError, InvalidInput, JobConflict, QueueUnavailable
from supaqueue.job_id import Ticket, bucket_of, new_job_id
from supaqueue.maintain.migrate import Migrator
from supaqueue.telemetry.events import JobEnqueued, MirrorFailed, ReadFallback
from supaqueue.unique import Unique
from tests.cutover.flags import MOMENT
from tests.cutover.routed import HIGH, LOW, World


@pytest.fixture(scope="module")
def routed_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose flag the tests of this file may change."""
    with Stack(tmp_path_factory.mktemp("routed"), durable=False) as stack:
        Migrator(stack.database_url).apply()
        yield stack
    stack.remove()


@pytest.fixture(params=["sync", "async"])
def world(routed_stack: Stack, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    with asyncio.Runner() as runner:
        world = World(routed_stack, tmp_path, runner if request.param == "async" else None)
        yield world
        world.close()


def minted(bucket: int, payload: Any = None, **options: Any) -> NewJob:
    """A job as the router would mint it, in a bucket of the test's choice."""
    job = NewJob("bill", payload, **options)
    object.__setattr__(job, "job_id", new_job_id(bucket))
    return job


ROWS = [
    ("off", 0, LOW, "legacy", None, ("legacy", "published")),
    ("mirror", 0, LOW, "legacy", ("legacy", "mirrored", 0), ("legacy", "published")),
    ("shadow", 0, LOW, "legacy", ("legacy", "mirrored", 0), ("legacy", "published")),
    ("canary", 50, LOW, "supabase", ("supabase", "pending", 0), ("supabase", "parked")),
    ("canary", 50, HIGH, "legacy", ("legacy", "mirrored", 0), ("legacy", "published")),
    ("live", 100, HIGH, "supabase", ("supabase", "pending", 0), ("supabase", "parked")),
    ("complete", 100, HIGH, "supabase", ("supabase", "pending", 0), None),
]


@pytest.mark.parametrize(("stage", "percent", "bucket", "owner", "row", "entry"), ROWS)
def test_each_stage(
    world: World, stage: str, percent: int, bucket: int, owner: str, row: Any, entry: Any
) -> None:
    world.flag(stage, percent)
    job = minted(bucket, {"n": 1})
    (answer,) = world.queue().enqueue_many([job])
    assert (answer.answer, answer.owner) == ("created", owner)
    assert world.row(job.job_id) == row
    if world.told(MirrorFailed):
        world.relay().turn()  # the copy took longer than its budget
    assert world.legacys(job.job_id) == entry
    assert world.messages(job.job_id) == (owner == "legacy")
    (repeated,) = world.queue().enqueue_many([job])
    assert (repeated.answer, repeated.owner) == ("exists", owner)
    assert world.messages(job.job_id) == (owner == "legacy")
    assert [event.answer for event in world.told(JobEnqueued)] == ["created", "exists"]


def test_a_batch_is_split_and_answered_in_order(world: World) -> None:
    world.flag("canary", 50)
    jobs = [minted(LOW if n % 3 else HIGH, n) for n in range(30)]
    other = NewJob("bill", "other", job_id=Ticket(jobs[1].job_id, "supabase"))
    answers = world.queue().enqueue_many([*jobs, other])
    assert [answer.job_id for answer in answers] == [job.job_id for job in jobs] + [other.job_id]
    assert [answer.owner for answer in answers[:30]] == ["supabase" if n % 3 else "legacy" for n in range(30)]
    assert [answer.answer for answer in answers] == ["created"] * 30 + ["conflict"]


def test_a_single_enqueue_of_each_owner(world: World) -> None:
    world.flag("canary", 50)
    queue = world.queue()
    answers = [queue.enqueue("bill", n) for n in range(40)]
    for answer in answers:
        assert world.row(answer.job_id) == (
            ("supabase", "pending", 0) if answer.owner == "supabase" else ("legacy", "mirrored", 0)
        )
        assert world.messages(answer.job_id) == (answer.owner == "legacy")
    assert {answer.owner for answer in answers} == {"supabase", "legacy"}


@pytest.mark.parametrize("fault", ["refused", "lost", "silent"])
def test_no_fault_of_supabase_fails_what_legacy_owns(world: World, fault: str) -> None:
    world.flag("canary", 50)
    world.line.fault = fault
    job = minted(HIGH)
    (answer,) = world.queue().enqueue_many([job])
    assert (answer.answer, answer.owner) == ("created", "legacy")
    assert world.messages(job.job_id) == 1
    assert world.spool.count().records == 1
    assert [event.system for event in world.told(MirrorFailed)] == ["supabase"]
    world.line.fault = None
    assert world.relay().send_spooled().mirrored == 1
    assert world.row(job.job_id) == ("legacy", "mirrored", 0)


def test_the_mirror_is_spooled_before_legacy_is_written(world: World) -> None:
    world.flag("mirror", 0)
    world.line.fault = "refused"
    full = Spool(world.folder / "full", max_bytes=1)
    job = minted(LOW)
    with pytest.raises(SpoolError):
        world.queue(spool=full).enqueue_many([job])
    assert world.entry(job.job_id) is None


def test_a_breaker_stops_asking_a_supabase_that_does_not_answer(world: World) -> None:
    world.flag("mirror", 0)
    world.line.fault = "refused"
    queue = world.queue()
    for _ in range(10):
        queue.enqueue("bill")
    assert len(world.line.sent) == 3
    assert world.spool.count().records == 10
    assert [event.error_type for event in world.told(MirrorFailed)[3:]] == ["BreakerOpen"] * 7


def test_a_lost_answer_leaves_a_ticket_that_outlives_a_change_of_the_percent(world: World) -> None:
    world.flag("live", 100)
    queue = world.queue()
    world.line.fault = "lost"
    with pytest.raises(QueueUnavailable) as raised:
        queue.enqueue("bill", 7)
    assert raised.value.committed == "unknown"
    ticket = raised.value.job_id
    assert isinstance(ticket, Ticket)
    assert ticket.owner == "supabase"
    world.line.fault = None
    world.flag("canary", 0, raised_at=MOMENT)
    answer = queue.enqueue("bill", 7, job_id=ticket)
    assert (answer.answer, answer.owner) == ("exists", "supabase")
    assert world.messages(ticket) == 0


def test_the_same_objects_present_their_owner_after_a_lost_answer(world: World) -> None:
    world.flag("live", 100)
    queue = world.queue()
    jobs = [minted(LOW, n) for n in range(3)]
    world.line.fault = "lost"
    with pytest.raises(QueueUnavailable):
        queue.enqueue_many(jobs)
    assert [job.owner for job in jobs] == ["supabase"] * 3
    world.line.fault = None
    world.flag("canary", 0, raised_at=MOMENT)
    assert {(one.answer, one.owner) for one in queue.enqueue_many(jobs)} == {("exists", "supabase")}
    assert [world.messages(job.job_id) for job in jobs] == [0, 0, 0]


def test_what_was_decided_holds_though_supabase_cannot_be_asked(world: World) -> None:
    world.flag("live", 100)
    queue = world.queue()
    job = minted(LOW)
    world.line.fault = "lost"
    with pytest.raises(QueueUnavailable):
        queue.enqueue_many([job])
    world.flag("canary", 0, raised_at=MOMENT)
    world.line.fault = "refused"
    with pytest.raises(QueueUnavailable):
        queue.enqueue_many([job])
    assert world.messages(job.job_id) == 0


def test_legacy_s_ticket_holds_though_supabase_never_heard_of_the_job(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.flag("mirror", 0)
    queue = world.queue()
    world.line.fault = "refused"
    with monkeypatch.context() as patch:
        patch.setattr(world.legacy.broker, "publish", unavailable)
        with pytest.raises(LegacyUnavailable) as raised:
            queue.enqueue("bill", 1)
    world.line.fault = None
    world.flag("live", 100, raised_at=MOMENT)
    answer = queue.enqueue("bill", 1, job_id=raised.value.job_id)
    assert (answer.owner, world.row(answer.job_id)) == ("legacy", ("legacy", "mirrored", 0))
    assert world.messages(answer.job_id) == 1


def test_a_tombstone_in_supabase_alone_keeps_a_job_out_of_legacy(world: World) -> None:
    world.flag("mirror", 0)
    job = minted(HIGH)
    world.line.inner.send(AbandonJobs((job.job_id,)))
    assert world.queue().enqueue_many([job])[0].answer == "conflict"
    assert world.entry(job.job_id) is None


def test_a_ticket_whose_row_never_came_becomes_legacys_by_a_row_in_supabase_first(world: World) -> None:
    world.flag("live", 100)
    queue = world.queue()
    world.line.fault = "silent"
    world.line.wake.set()
    job = minted(LOW)
    with pytest.raises(QueueUnavailable):
        queue.enqueue_many([job])
    assert job.owner == "supabase"
    world.line.fault = None
    world.flag("canary", 0, raised_at=MOMENT)
    (answer,) = queue.enqueue_many([job])
    assert (answer.answer, answer.owner) == ("created", "legacy")
    assert world.row(job.job_id) == ("legacy", "mirrored", 0)
    assert world.messages(job.job_id) == 1
    (repeated,) = queue.enqueue_many([job])
    assert (repeated.answer, repeated.owner, world.messages(job.job_id)) == ("exists", "legacy", 1)


def test_a_stale_flag_is_answered_and_the_job_placed_again(world: World) -> None:
    world.flag("live", 100)
    world.flag("canary", 0, seen=False, raised_at=MOMENT)
    world.now += 0.001
    jobs = [minted(LOW, n) for n in range(3)]
    answers = world.queue().enqueue_many(jobs)
    assert {(one.answer, one.owner) for one in answers} == {("created", "legacy")}
    assert {world.row(job.job_id) for job in jobs} == {("legacy", "mirrored", 0)}
    assert [world.messages(job.job_id) for job in jobs] == [1, 1, 1]


def test_an_answer_flag_changed_without_the_row_that_settles_it_writes_nothing_to_legacy(
    world: World,
) -> None:
    """A delayed try of the first call could still be stored once the percent is raised again."""
    world.flag("live", 100)
    world.flag("canary", 0, seen=False, raised_at=MOMENT)
    queue = world.queue()
    job = minted(LOW)
    refresh = world.rollout.refresh

    def refresh_and_fail() -> Any:
        world.line.fault = "refused"
        return refresh()

    world.now += 0.001
    world.rollout.refresh = refresh_and_fail  # type: ignore[method-assign]
    for _ in range(2):  # the repeat knows the flag, and that there was a try
        with pytest.raises(QueueUnavailable):
            queue.enqueue_many([job])
    assert job.owner == "supabase"
    assert world.entry(job.job_id) is None
    world.line.fault = None
    world.rollout.refresh = refresh  # type: ignore[method-assign]
    (answer,) = queue.enqueue_many([job])
    assert (answer.answer, answer.owner, world.messages(job.job_id)) == ("created", "legacy", 1)


def test_a_supplied_id_is_settled_in_supabase_once_the_percent_was_raised(world: World) -> None:
    world.flag("canary", 0, raised_at=MOMENT)
    queue = world.queue()
    world.line.fault = "silent"
    world.line.wake.set()
    with pytest.raises(QueueUnavailable) as raised:
        queue.enqueue("bill", idempotency_key="7")
    assert raised.value.committed == "unknown"
    assert not isinstance(raised.value.job_id, Ticket)
    assert world.entry(raised.value.job_id or "") is None
    world.line.fault = None
    answer = queue.enqueue("bill", idempotency_key="7")
    assert (answer.answer, answer.owner, world.messages(answer.job_id)) == ("created", "legacy", 1)


def test_a_supplied_id_before_the_first_percent_needs_no_supabase(world: World) -> None:
    world.flag("mirror", 0)
    world.line.fault = "refused"
    answer = world.queue().enqueue("bill", idempotency_key="7")
    assert (answer.answer, answer.owner, world.messages(answer.job_id)) == ("created", "legacy", 1)


@pytest.mark.parametrize(("before", "after"), [(100, 0), (0, 100)])
def test_a_supplied_id_keeps_its_first_owner(world: World, before: int, after: int) -> None:
    owner = "supabase" if before else "legacy"
    world.flag("canary" if before < 100 else "live", before, raised_at=MOMENT)
    first = world.queue().enqueue("bill", 1, idempotency_key="7")
    assert (first.answer, first.owner) == ("created", owner)
    world.flag("canary" if after < 100 else "live", after, raised_at=MOMENT)
    again = world.queue().enqueue("bill", 1, idempotency_key="7")
    assert (again.answer, again.owner) == ("exists", owner)
    assert world.messages(first.job_id) == (owner == "legacy")
    with pytest.raises(JobConflict):
        world.queue().enqueue("bill", 2, idempotency_key="7")


def test_a_job_that_was_handed_over_is_the_relays_to_publish(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.flag("live", 100)
    queue = world.queue()
    job = minted(LOW)
    with monkeypatch.context() as patch:
        patch.setattr(world.legacy.index, "park", unavailable)  # legacy knows nothing of the job
        queue.enqueue_many([job])
    world.database.execute(
        "update jobs set owner = 'legacy', epoch = 1, status = 'mirrored', mirror_state = 'release_due'"
    )
    world.database.execute("update job_tasks set status = 'mirrored'")
    (answer,) = queue.enqueue_many([job])
    assert (answer.answer, answer.owner) == ("exists", "legacy")
    assert world.messages(job.job_id) == 0
    seen = queue.get(job.job_id)
    assert (seen.status, seen.owner, seen.tasks[0].status) == ("pending", "legacy", "pending")


def test_what_supabase_refuses_goes_to_legacy_only_if_that_is_allowed(world: World) -> None:
    world.flag("canary", 50)
    world.line.fault = "refused"
    job = minted(LOW)
    with pytest.raises(QueueUnavailable) as raised:
        world.queue().enqueue_many([job])
    assert raised.value.committed == "no"
    assert world.entry(job.job_id) is None
    other = minted(LOW)
    (answer,) = world.queue(repin_refused=True).enqueue_many([other])
    assert (answer.answer, answer.owner, world.messages(other.job_id)) == ("created", "legacy", 1)
    assert world.spool.count().records == 1


def test_an_unknown_answer_is_never_repinned(world: World) -> None:
    world.flag("canary", 50)
    world.line.fault = "lost"
    job = minted(LOW)
    with pytest.raises(QueueUnavailable):
        world.queue(repin_refused=True).enqueue_many([job])
    assert world.messages(job.job_id) == 0
    assert world.row(job.job_id) == ("supabase", "pending", 0)


def test_complete_never_repins(world: World) -> None:
    world.flag("complete", 100)
    world.line.fault = "refused"
    job = minted(LOW)
    with pytest.raises(QueueUnavailable):
        world.queue(repin_refused=True).enqueue_many([job])
    assert world.entry(job.job_id) is None


def test_legacy_s_error_is_the_caller_s_and_carries_a_ticket(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.flag("mirror", 0)
    queue = world.queue()
    with monkeypatch.context() as patch:
        patch.setattr(world.legacy.broker, "publish", unavailable)
        with pytest.raises(LegacyUnavailable) as raised:
            queue.enqueue("bill", 1)
    ticket = raised.value.job_id
    assert isinstance(ticket, Ticket)
    assert ticket.owner == "legacy"
    world.flag("live", 100, raised_at=MOMENT)
    answer = queue.enqueue("bill", 1, job_id=ticket)
    assert (answer.owner, world.messages(ticket)) == ("legacy", 1)


def unavailable(*_: Any) -> Any:
    raise LegacyUnavailable("the folder is gone", call="publish")


def test_a_failed_parked_copy_fails_nothing_and_the_relay_brings_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.flag("live", 100)
    job = minted(LOW)
    with monkeypatch.context() as patch:
        patch.setattr(world.legacy.index, "park", unavailable)
        (answer,) = world.queue().enqueue_many([job])
    assert (answer.answer, answer.owner) == ("created", "supabase")
    assert [event.system for event in world.told(MirrorFailed)] == ["legacy"]
    world.relay().turn()
    assert world.legacys(job.job_id) == ("supabase", "parked")


def test_an_abandoned_id_is_a_conflict_on_both_sides(world: World) -> None:
    world.flag("canary", 50)
    queue = world.queue()
    for bucket in (LOW, HIGH):
        job = minted(bucket)
        assert queue.abandon([job.job_id])[0].answer == "abandoned"
        assert queue.enqueue_many([job])[0].answer == "conflict"
        assert world.messages(job.job_id) == 0
        assert queue.get(job.job_id) is None


def test_abandoning_reaches_the_owner(world: World) -> None:
    world.flag("canary", 50)
    queue = world.queue()
    jobs = [minted(LOW), minted(HIGH)]
    queue.enqueue_many(jobs)
    for _ in range(2):
        assert [one.answer for one in queue.abandon([job.job_id for job in jobs])] == ["cancelled"] * 2
    assert [world.messages(job.job_id) for job in jobs] == [0, 0]


def test_reads_find_the_owner_and_count_fallbacks(world: World) -> None:
    world.flag("canary", 50)
    queue = world.queue()
    jobs = [minted(LOW, "low"), minted(HIGH, "high")]
    queue.enqueue_many(jobs)
    ids = [job.job_id for job in jobs]
    found = queue.get_many([*ids, new_job_id()], with_payload=True)
    assert [job and (job.owner, job.status, job.payload) for job in found] == [
        ("supabase", "pending", "low"),
        ("legacy", "pending", "high"),
        None,
    ]
    assert world.told(ReadFallback) == []
    world.flag("canary", 99)
    assert queue.get(ids[1]).owner == "legacy"
    world.flag("canary", 0)
    assert queue.get(ids[0]).owner == "supabase"
    assert [(event.job_id, event.asked_first) for event in world.told(ReadFallback)] == [
        (ids[1], "supabase"),
        (ids[0], "legacy"),
    ]


def test_reads_of_legacy_s_jobs_need_no_supabase(world: World) -> None:
    world.flag("canary", 50)
    queue = world.queue()
    job = minted(HIGH)
    queue.enqueue_many([job])
    world.line.fault = "refused"
    assert queue.get(job.job_id).owner == "legacy"
    with pytest.raises(QueueUnavailable):
        queue.get(new_job_id(HIGH))
    world.flag("live", 100)
    assert queue.get(job.job_id).owner == "legacy"  # Supabase is asked first, in vain


def test_cancelling_reaches_the_owner_and_never_a_copy(world: World) -> None:
    world.flag("canary", 50)
    queue = world.queue()
    jobs = [minted(LOW), minted(HIGH), minted(LOW), minted(HIGH)]
    queue.enqueue_many(jobs)
    ids = [job.job_id for job in jobs]
    assert [one.answer for one in queue.cancel_many([*ids[:2], new_job_id(LOW), new_job_id(HIGH)])] == [
        "cancelled",
        "cancelled",
        "unknown",
        "unknown",
    ]
    world.flag("canary", 0)
    assert queue.cancel(ids[2]).answer == "cancelled"
    world.flag("live", 100)
    assert queue.cancel(ids[3]).answer == "cancelled"
    assert [job.status for job in queue.get_many(ids)] == ["cancelled"] * 4
    assert [world.messages(job_id) for job_id in ids] == [0] * 4
    assert [event.operation for event in world.told(ReadFallback)].count("cancel") == 2


def test_without_flags_only_what_the_environment_denies_to_supabase_is_taken(world: World) -> None:
    world.rollout._transport = world.line
    world.line.fault = "refused"
    with pytest.raises(QueueUnavailable, match="flag") as raised:
        world.queue().enqueue("bill")
    assert raised.value.committed == "no"
    answer = world.queue(switches=Switches(enabled=False)).enqueue("bill")
    assert (answer.owner, world.messages(answer.job_id)) == ("legacy", 1)


def test_a_variable_that_contradicts_the_stage_is_refused(world: World) -> None:
    world.flag("mirror", 0)
    with pytest.raises(ConfigurationError, match=DUAL_WRITE):
        world.queue(switches=Switches(dual_write=False)).enqueue("bill")


def test_what_legacy_cannot_hold_is_refused_while_it_may_own_the_job(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(world.legacy.broker), "expresses", frozenset({"queue"}))
    for stage, percent in (("off", 0), ("canary", 50), ("live", 100)):
        world.flag(stage, percent)
        with pytest.raises(NotExpressible):
            world.queue().enqueue_many([minted(LOW, delay=60)])
    world.flag("complete", 100)
    world.queue().enqueue_many([minted(LOW, delay=60)])


def test_unique_and_order_keys_are_refused_by_name_until_the_cutover_is_complete(world: World) -> None:
    unique = Unique(new_job_id(), until="finished")
    for stage, percent in (("off", 0), ("canary", 50), ("live", 100)):
        world.flag(stage, percent)
        with pytest.raises(NotExpressible) as refused:
            world.queue().enqueue("bill", unique=unique)
        assert refused.value.field == "unique"
        with pytest.raises(NotExpressible) as refused:
            world.queue().enqueue("bill", order_key="a")
        assert refused.value.field == "order_key"
    world.flag("complete", 100)
    assert world.queue().enqueue("bill", order_key="a").answer == "created"
    answers = [world.queue().enqueue("bill", unique=unique).answer for _ in range(2)]
    assert answers == ["created", "deduplicated"]


def test_a_type_that_moves_by_tenant_gets_ids_in_its_tenant_s_bucket(world: World) -> None:
    world.flag("canary", 50, routes_by_tenant=True)
    queue = world.queue()
    salt = world.rollout.refresh().flags.salt
    for tenant in ("a", "b", "c", "d", "e"):
        bucket = key_bucket(salt, tenant)
        answers = [
            queue.enqueue("bill", tenant=tenant),
            *queue.enqueue_many([{"task_type": "bill", "tenant": tenant}] * 3),
        ]
        assert {bucket_of(answer.job_id) for answer in answers} == {bucket}
        assert {answer.owner for answer in answers} == {"supabase" if bucket < 5000 else "legacy"}
    with pytest.raises(InvalidInput) as raised:
        queue.enqueue_many([minted(key_bucket(salt, "a") ^ 1, tenant="a")])
    assert raised.value.field == "jobs[0].job_id"
    queue.enqueue_many([minted(key_bucket(salt, "a"), tenant="a")])


def test_a_job_whose_id_is_known_before_it_is_enqueued_moves_with_its_tenant(world: World) -> None:
    world.flag("canary", 50, routes_by_tenant=True)
    queue = world.queue()
    salt = world.rollout.refresh().flags.salt
    for tenant in ("a", "b", "c", "d", "e"):
        bucket = key_bucket(salt, tenant)
        job = queue.new_job("bill", {"n": 1}, tenant=tenant, tags=["eu"])
        assert (bucket_of(job.job_id), job.is_minted) == (bucket, True)
        [answer] = queue.enqueue_many([job])
        assert (answer.answer, answer.job_id) == ("created", job.job_id)
        assert answer.owner == ("supabase" if bucket < 5000 else "legacy")
    assert queue.enqueue_many([queue.new_job("bill")])[0].answer == "created"


def test_a_job_is_made_without_flags_too(world: World) -> None:
    world.flag("canary", 50, routes_by_tenant=True)
    unknown = Rollout(world.line, first_wait_seconds=0.0)
    world.line.fault = "refused"
    queue = world.queue(rollout=unknown, switches=Switches(enabled=False))
    job = queue.new_job("bill", tenant="a")
    assert [answer.answer for answer in queue.enqueue_many([job])] == ["created"]
    assert world.legacys(job.job_id) == ("legacy", "published")


@pytest.mark.parametrize(
    ("lists", "owner"), [({"legacy_tenants": ["a"]}, "legacy"), ({"supabase_tenants": ["a"]}, "supabase")]
)
def test_a_pinned_tenant_is_owned_by_its_side_and_found_there(
    world: World, lists: dict[str, Any], owner: str
) -> None:
    world.flag("canary", 50, **lists)
    queue = world.queue()
    answers = [queue.enqueue("bill", tenant="a") for _ in range(8)]
    assert {answer.owner for answer in answers} == {owner}
    found = queue.get_many([answer.job_id for answer in answers])
    assert {job.owner for job in found} == {owner}


def test_after_the_cutover_a_repeat_of_what_legacy_ran_needs_no_legacy(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.flag("mirror", 0)
    queue = world.queue()
    first = queue.enqueue("bill", 1, idempotency_key="7")
    assert first.owner == "legacy"
    world.flag("complete", 100, raised_at=MOMENT)
    for method in ("accept", "park", "get"):
        monkeypatch.setattr(world.legacy.index, method, unavailable)
    again = queue.enqueue("bill", 1, idempotency_key="7")
    assert (again.answer, again.owner) == ("exists", "legacy")
    assert queue.enqueue("bill", 2).owner == "supabase"
    with pytest.raises(QueueUnavailable, match="legacy") as raised:
        queue.enqueue("bill", 3, job_id=Ticket(new_job_id(), "legacy"))
    assert raised.value.committed == "unknown"
