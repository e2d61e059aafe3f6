"""That an attempt of legacy's failed reaches its mirror before its end does, whatever index there is."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest

from supaqueue import Retry, Snooze
from supaqueue.contract import ClaimedTask
from supaqueue.cutover.first_failures import FirstFailureRelay
from supaqueue.cutover.guard import Guard
from supaqueue.cutover.handler_run import Again, run_handler
from supaqueue.cutover.legacy.first_failures import METHODS, tells_first_failures
from supaqueue.cutover.legacy.folder import FolderBroker
from supaqueue.cutover.legacy.folder_worker import FolderWorker
from supaqueue.cutover.relayed import Relayed
from supaqueue.cutover.stamp import Stamp
from supaqueue.worker import Registry
from tests.cutover.world import World
from tests.worker.waiting import until


class OwnIndex:
    """A team's own index, as it was before there was anything to tell of failed attempts."""

    def __init__(self, index: Any) -> None:
        self._index = index

    def __getattr__(self, name: str) -> Any:
        if name in METHODS:
            raise AttributeError(name)
        return getattr(self._index, name)


def fail_once(world: World, guard: Guard | None = None, **options: Any) -> str:
    """Let a first attempt of a new job of legacy's fail as a worker does that will try again."""
    job = world.new_job("legacy", **options)
    world.accept(job)
    run = (guard or world.guard).admit(Stamp(job.job_id), job.task_type).run
    assert run is not None
    with run:
        run.free(has_failed=True)
    return job.job_id


def known_at(world: World, job_id: str) -> object:
    query = "select legacy_first_failed_at from jobs where job_id = %s"
    row = world.database.execute(query, [job_id]).fetchone()
    assert row is not None
    return row[0]


def test_a_failed_attempt_is_told_once(world: World) -> None:
    world.go_to(0)
    job_id = fail_once(world)
    assert world.relay.turn() == Relayed(first_failures=1)
    first = known_at(world, job_id)
    assert first is not None
    assert world.relay.turn() == Relayed()
    run = world.guard.admit(Stamp(job_id), "count").run
    assert run is not None
    with run:
        run.free(has_failed=True)
    assert world.relay.turn() == Relayed()
    assert known_at(world, job_id) == first


def test_an_attempt_that_is_given_up_for_another_reason_is_not_told(world: World) -> None:
    world.go_to(0)
    job = world.new_job("legacy")
    world.accept(job)
    run = world.guard.admit(Stamp(job.job_id), job.task_type).run
    assert run is not None
    with run:
        pass
    assert world.relay.turn() == Relayed()


def test_a_mirror_that_has_not_come_is_sent_first(world: World) -> None:
    world.go_to(0)
    job = world.new_job("legacy")
    world.legacy.enqueue([job])
    run = world.guard.admit(Stamp(job.job_id), job.task_type).run
    assert run is not None
    with run:
        run.free(has_failed=True)
    assert world.relay.turn() == Relayed(first_failures=1)
    assert known_at(world, job.job_id) is not None


def test_an_index_that_tells_nothing_is_freed_and_relayed_all_the_same(world: World) -> None:
    world.go_to(0)
    own: Any = OwnIndex(world.legacy.index)
    assert tells_first_failures(world.legacy.index)
    assert not tells_first_failures(own)
    job_id = fail_once(world, Guard(own))
    assert world.legacy.index.start(Stamp(job_id), "next", 60) == "started", "the marker is free"
    assert FirstFailureRelay(world.transport, own).send() == Relayed()
    assert known_at(world, job_id) is None


def handler_of(function: Callable[..., Any]) -> Registry:
    registry = Registry()
    registry.task("count", backoff=0)(function)
    return registry


@pytest.mark.parametrize(("outcome", "spends"), [(Retry(0), True), (Snooze(0), False)])
def test_what_a_handler_asks_for_says_whether_it_failed(world: World, outcome: object, spends: bool) -> None:
    world.go_to(0)
    job = world.new_job("legacy")
    world.accept(job)
    run = world.guard.admit(Stamp(job.job_id), job.task_type).run
    assert run is not None
    task = ClaimedTask(job.job_id, 0, "q", "count", {}, 1, 1, 5, 0.0)
    with run:
        came = run_handler(handler_of(lambda _: outcome).handlers["count"], task, run, worker_id="w")
        assert isinstance(came, Again)
        assert came.spends_attempt is spends


def test_a_worker_of_the_folder_tells_of_what_it_tries_again(world: World) -> None:
    world.go_to(0)
    seen: list[object] = []

    def fails_first(payload: object) -> None:
        seen.append(payload)
        if len(seen) == 1:
            raise ValueError("not yet")

    broker = world.legacy.broker
    assert isinstance(broker, FolderBroker)
    job = world.new_job("legacy")
    world.accept(job)
    worker = FolderWorker(handler_of(fails_first), broker, world.guard, poll_seconds=0.01)
    thread = Thread(target=worker.run)
    thread.start()
    until(lambda: getattr(world.entry(job), "ending", None), "its end")
    worker.stop()
    thread.join()
    assert world.relay.turn() == Relayed(first_failures=1, outcomes=1)
    assert known_at(world, job.job_id) is not None
    assert world.row(job, "owner_outcome->'starts'", "owner_outcome->'attempts'") == (2, 2)
