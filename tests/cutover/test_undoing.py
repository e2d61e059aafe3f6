"""An enqueue into two queues is taken back from whichever owns it, in both colours."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from supaqueue import NewJob, async_enqueue_or_undo, async_settle_unknown, enqueue_or_undo, settle_unknown
from supaqueue.devstack import Stack
from supaqueue.errors import QueueUnavailable
from supaqueue.maintain.migrate import Migrator
from tests.contract.conftest import Blocking
from tests.cutover.routed import World

STAGES = [("off", 0), ("mirror", 0), ("live", 100), ("complete", 100)]


@pytest.fixture(scope="module")
def routed_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("undoing"), durable=False) as stack:
        Migrator(stack.database_url).apply()
        yield stack
    stack.remove()


@pytest.fixture(params=["sync", "async"])
def world(routed_stack: Stack, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    with asyncio.Runner() as runner:
        world = World(routed_stack, tmp_path, runner if request.param == "async" else None)
        yield world
        world.close()


class App:
    """An application with a router, and what it was told of its records."""

    def __init__(self, world: World) -> None:
        self.queue = world.queue()
        self.removed: list[str] = []
        self.kept: list[str] = []

    def fail(self, job: NewJob) -> None:
        """Enqueue, then fail."""
        if isinstance(self.queue, Blocking):
            self.queue._runner.run(self._fail(job))
        else:
            with enqueue_or_undo(self.queue, undo=self.removed.extend) as guarded:
                guarded.enqueue(job)
                raise ZeroDivisionError

    async def _fail(self, job: NewJob) -> None:
        async with async_enqueue_or_undo(self.queue._inner, undo=self._remove) as guarded:
            await guarded.enqueue(job)
            raise ZeroDivisionError

    def settle(self, job: NewJob) -> list[str]:
        """Settle the record of a job."""
        ids = [job.job_id]
        if isinstance(self.queue, Blocking):
            answers = self.queue._runner.run(self._settle(ids))
        else:
            answers = settle_unknown(self.queue, ids, undo=self.removed.extend, keep=self.kept.extend)
        return [answer.answer for answer in answers]

    async def _settle(self, ids: list[str]) -> list:  # type: ignore[type-arg]
        return await async_settle_unknown(self.queue._inner, ids, undo=self._remove, keep=self._keep)

    async def _remove(self, job_ids: Sequence[str]) -> None:
        self.removed += job_ids

    async def _keep(self, job_ids: Sequence[str]) -> None:
        self.kept += job_ids


def waits_in(world: World, job: NewJob) -> list[str]:
    """Which systems would still run the job."""
    row = world.database.execute("select status from jobs where job_id = %s", [job.job_id]).fetchone()
    stamps = [waiting.stamp for waiting in world.legacy.broker.waiting()]
    in_legacy = any(stamp is not None and stamp.job_id == job.job_id for stamp in stamps)
    return ["supabase"] * (row == ("pending",)) + ["legacy"] * in_legacy


@pytest.mark.parametrize(("stage", "percent"), STAGES)
def test_the_owner_gives_it_back(world: World, stage: str, percent: float) -> None:
    world.flag(stage, percent)
    app, job = App(world), NewJob("bill")
    with pytest.raises(ZeroDivisionError):
        app.fail(job)
    assert app.removed == [job.job_id]
    assert waits_in(world, job) == []
    assert app.settle(job) == ["cancelled"]
    assert app.removed == [job.job_id] * 2


@pytest.mark.parametrize("tenant", ["a", "b", "c", "d", "e"])
def test_a_type_that_moves_by_tenant_is_given_back_too(world: World, tenant: str) -> None:
    world.flag("canary", 50, routes_by_tenant=True)
    app = App(world)
    job = app.queue.new_job("bill", tenant=tenant)
    with pytest.raises(ZeroDivisionError):
        app.fail(job)
    assert app.removed == [job.job_id]
    assert waits_in(world, job) == []


@pytest.mark.parametrize(("stage", "percent"), STAGES)
def test_what_was_never_sent_can_come_to_neither(world: World, stage: str, percent: float) -> None:
    world.flag(stage, percent)
    app, job = App(world), NewJob("bill")
    assert app.settle(job) == ["abandoned"]
    assert app.queue.enqueue_many([job])[0].answer == "conflict"
    assert waits_in(world, job) == []


def test_what_supabase_owns_and_has_lost_is_kept_until_it_answers(world: World) -> None:
    world.flag("live", 100)
    app, job = App(world), NewJob("bill")
    world.line.fault = "lost"
    with pytest.raises(QueueUnavailable):
        app.fail(job)
    assert (app.removed, waits_in(world, job)) == ([], [])
    world.line.fault = None
    assert app.settle(job) == ["cancelled"]
    assert app.removed == [job.job_id]
