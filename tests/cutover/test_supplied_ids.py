"""Ids that callers chose, at the first percent: one process knows of it, another one is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from supaqueue.contract import EnqueueJobs, NewJob
from supaqueue.contract.feature_flag import FeatureFlag
from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.legacy.folder import folder_queue
from supaqueue.cutover.placing import RESERVED_FOR, Placing
from supaqueue.cutover.rollout import KnownFlags
from supaqueue.cutover.switches import Switches
from supaqueue.devstack import Stack
from supaqueue.errors import QueueUnavailable
from supaqueue.job_id import Ticket, new_job_id
from supaqueue.maintain.migrate import Migrator
from tests.cutover.flags import MOMENT, flag, flags
from tests.cutover.routed import HIGH, LOW, World

SUPABASE_S = ("supabase", "pending", 0)
LEGACY_S = ("legacy", "mirrored", 0)


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


class KeptFlags:
    """What a process knows that was cut off before the first percent."""

    def __init__(self) -> None:
        self._known = KnownFlags(flags(flag("mirror", 0)), 3600.0, False)

    def at_hand(self) -> KnownFlags:
        return self._known

    current = at_hand


class LeftBehind:
    """An enqueue by such a process; `is_cut_off` says whether Supabase answers it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._queue = world.queue(rollout=KeptFlags())

    def enqueue(self, job: NewJob, *, is_cut_off: bool = True) -> Any:
        self._world.line.fault = "refused" if is_cut_off else None
        try:
            return self._queue.enqueue_many([job])[0]
        finally:
            self._world.line.fault = None


def raise_percent(world: World) -> None:
    """Let this be the first percent, a moment ago by the database's clock."""
    world.flag("canary", 50)
    world.database.execute("update feature_flag set raised_at = clock_timestamp()")
    world.now += 0.001
    world.rollout.refresh()


def chosen(job_id: str | None = None) -> NewJob:
    """A job whose id is the caller's, in a bucket of Supabase's."""
    return NewJob("bill", {"n": 1}, job_id=job_id or new_job_id(LOW))


def again(job: NewJob) -> NewJob:
    """The same job, by one who knows the id alone."""
    return chosen(job.job_id)


def unavailable(*_: Any, **__: Any) -> Any:
    raise LegacyUnavailable("the folder is gone", call="reserve")


def test_what_one_left_behind_wrote_to_legacy_stays_there(world: World) -> None:
    raise_percent(world)
    job = chosen()
    first = LeftBehind(world).enqueue(job)
    assert (first.answer, first.owner) == ("created", "legacy"), "before the first percent, for all it knows"
    assert not isinstance(job.job_id, Ticket)
    assert job.owner is None, "another process may have decided otherwise"
    for _ in range(2):
        (repeated,) = world.queue().enqueue_many([again(job)])
        assert (repeated.answer, repeated.owner) in (("created", "legacy"), ("exists", "legacy"))
    world.relay().send_spooled()
    assert (world.row(job.job_id), world.legacys(job.job_id)) == (LEGACY_S, ("legacy", "published"))
    assert world.messages(job.job_id) == 1


def test_one_left_behind_is_told_of_what_supabase_has(world: World) -> None:
    """The relay's copy has every default filled in: it is not what the caller gave, and no other job."""
    raise_percent(world)
    job = chosen()
    world.legacy.index.reserve([job.job_id])
    job.place("supabase")
    world.line.inner.send(EnqueueJobs((job,)))
    world.relay().turn()
    told = LeftBehind(world).enqueue(again(job))
    assert (told.answer, told.owner) == ("exists", "supabase")
    assert world.messages(job.job_id) == 0


def test_one_left_behind_runs_nothing_that_was_reserved_before_it_came(world: World) -> None:
    """Whoever reserved it may have been killed before the row, or after it: only Supabase knows."""
    raise_percent(world)
    behind = LeftBehind(world)
    without_row, with_row = chosen(), chosen()
    world.legacy.index.reserve([without_row.job_id, with_row.job_id])
    stored = again(with_row)
    stored.place("supabase")
    world.line.inner.send(EnqueueJobs((stored,)))
    for job in (without_row, with_row):
        with pytest.raises(QueueUnavailable) as raised:
            behind.enqueue(job)
        assert raised.value.committed == "unknown"
        assert (world.messages(job.job_id), world.entry(job.job_id)) == (0, None)
    answers = [behind.enqueue(job, is_cut_off=False) for job in (without_row, with_row)]
    assert [(one.answer, one.owner) for one in answers] == [("created", "legacy"), ("exists", "supabase")]
    assert (world.row(without_row.job_id), world.row(with_row.job_id)) == (LEGACY_S, SUPABASE_S)
    assert [world.messages(job.job_id) for job in (without_row, with_row)] == [1, 0]


def test_who_reserved_and_slept_follows_what_was_settled_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    raise_percent(world)
    job = chosen()
    reserve = world.legacy.index.reserve
    told: list[Any] = []

    def reserve_and_sleep(job_ids: Any) -> Any:
        owners = reserve(job_ids)
        fault, world.line.fault = world.line.fault, None
        row = again(job)
        row.place("legacy")
        world.line.inner.send(EnqueueJobs((row,)))  # a spooled mirror that comes now
        world.line.fault = fault
        told.append(owners)
        return owners

    monkeypatch.setattr(world.legacy.index, "reserve", reserve_and_sleep)
    (answer,) = world.queue().enqueue_many([job])
    assert told == [["supabase"]]
    assert (answer.answer, answer.owner) == ("created", "legacy")
    assert (world.row(job.job_id), world.messages(job.job_id)) == (LEGACY_S, 1)


def test_without_an_answer_of_legacy_nothing_is_stored_in_the_first_day(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    raise_percent(world)
    job = chosen()
    with monkeypatch.context() as patch:
        patch.setattr(world.legacy.index, "reserve", unavailable)
        with pytest.raises(QueueUnavailable, match="first percent") as raised:
            world.queue().enqueue_many([job])
        assert raised.value.committed == "no"
        assert (world.row(job.job_id), job.owner) == (None, None)
        world.flag("canary", 50, raised_at=MOMENT)
        (answer,) = world.queue().enqueue_many([job])
    assert (answer.answer, answer.owner, world.row(job.job_id)) == ("created", "supabase", SUPABASE_S)


def test_a_minted_id_that_lost_its_ticket_is_found_in_legacy_at_any_time(world: World) -> None:
    world.flag("canary", 50, raised_at=MOMENT)
    minted = NewJob("bill", {"n": 1})
    object.__setattr__(minted, "job_id", new_job_id(HIGH))
    world.line.fault = "refused"
    world.queue().enqueue_many([minted])
    world.line.fault = None
    world.flag("live", 100, raised_at=MOMENT)
    (answer,) = world.queue().enqueue_many([again(minted)])
    assert (answer.owner, world.row(minted.job_id)) == ("legacy", LEGACY_S), "its mirror is in the spool"
    assert world.messages(minted.job_id) == 1


def test_a_batch_of_all_kinds_is_answered_in_order(world: World) -> None:
    raise_percent(world)
    written, free, minted = chosen(), chosen(), NewJob("bill", {"n": 1})
    LeftBehind(world).enqueue(written)
    answers = world.queue().enqueue_many([free, again(written), minted])
    assert [one.job_id for one in answers] == [free.job_id, written.job_id, minted.job_id]
    assert [one.owner for one in answers[:2]] == ["supabase", "legacy"]
    world.legacy.index.reserve([(reserved := chosen()).job_id])
    behind = world.queue(rollout=KeptFlags())
    answers = behind.enqueue_many([reserved, chosen(), again(free)])
    assert [(one.answer, one.owner) for one in answers[:2]] == [("created", "legacy"), ("created", "legacy")]
    assert (answers[2].answer, answers[2].owner) == ("exists", "supabase")


def test_a_minted_id_costs_no_reservation(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    raise_percent(world)
    monkeypatch.setattr(world.legacy.index, "reserve", unavailable)
    queue = world.queue()
    assert {queue.enqueue("bill", n).owner for n in range(40)} == {"supabase", "legacy"}
    ticket = Ticket(new_job_id(LOW), "supabase")
    assert queue.enqueue("bill", job_id=ticket).owner == "supabase"


@pytest.mark.parametrize(
    ("overall", "own", "reserve"),
    [
        (timedelta(0), None, "must"),
        (RESERVED_FOR, None, "must"),
        (RESERVED_FOR + timedelta(microseconds=1), None, "should"),
        (RESERVED_FOR * 2, RESERVED_FOR, "must"),
        (None, RESERVED_FOR * 2, "should"),
    ],
)
def test_how_long_a_reservation_is_a_must(
    tmp_path: Path, overall: timedelta | None, own: timedelta | None, reserve: str
) -> None:
    def raised(ago: timedelta | None, **given: Any) -> FeatureFlag:
        return flag("canary", 50, raised_at=None if ago is None else MOMENT - ago, **given)

    types = [] if own is None else [raised(own, task_type="bill")]
    known = KnownFlags(flags(raised(overall), *types), 0.0, True)
    legacy = folder_queue(tmp_path)
    placing = Placing(Switches(), legacy)
    assert placing.place(0, chosen(), known, is_ours=False).reserve == reserve
    assert placing.place(0, NewJob("bill"), known, is_ours=True).reserve == "no"
    legacy.close()
