"""Messages without a stamp: each runs once, in the system that won it, whoever comes first."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from supaqueue.cutover.guard import Guard
from supaqueue.cutover.legacy.folder import FolderBroker
from supaqueue.cutover.legacy.folder_worker import FolderWorker
from supaqueue.cutover.legacy.index import Index
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.legacy.redis_connection import connect
from supaqueue.cutover.legacy.redis_index import RedisIndex
from supaqueue.cutover.legacy.unstamped import Unstamped
from supaqueue.cutover.take_over import Announced, TakeOver
from supaqueue.worker import Context, Registry
from tests.cutover.commands import Terminal
from tests.cutover.test_rollout_moves import let_time_pass
from tests.cutover.world import World
from tests.sql.calls import endings
from tests.valkey import Valkey
from tests.worker.waiting import DEADLINE_SECONDS, until


class Delayed:
    """A part of which one method waits for something before it is called."""

    def __init__(self, inner: Any, method: str, before: Callable[[], None]) -> None:
        self._inner, self._method, self._before = inner, method, before

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name != self._method:
            return found

        def delayed(*args: Any) -> Any:
            self._before()
            return found(*args)

        return delayed


@pytest.fixture(params=["sqlite", "redis"])
def either(request: pytest.FixtureRequest, world: World) -> World:
    """The folder, with its own index, or with one in Redis."""
    if request.param == "redis":
        valkey: Valkey = request.getfixturevalue("valkey")
        world.legacy = LegacyQueue(world.legacy.broker, RedisIndex(connect(valkey.url)))
    world.go_to(100)
    return world


def put(world: World, name: str = "foreign.json", **message: Any) -> Path:
    """Put a file where the legacy workers take it, as something else does."""
    broker = world.legacy.broker
    assert isinstance(broker, FolderBroker)
    path = broker.files.pending / name
    path.write_text(json.dumps({"task_type": "count", "queue": "q", "payload": {"n": 1}} | message))
    return path


@contextmanager
def working(world: World, ran: list[str], index: Any = None) -> Iterator[None]:
    """A worker of the folder's, over an index that may be delayed."""
    registry = Registry()

    @registry.task("count")
    def count(payload: object, context: Context) -> str:
        ran.append(context.job_id)
        return "done"

    broker: Any = world.legacy.broker
    guard = Guard(index or world.legacy.index)
    worker = FolderWorker(registry, broker, guard, concurrency=1, poll_seconds=0.01)
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join(DEADLINE_SECONDS)


def announce(world: World, index: Any = None) -> Announced:
    """Take over, over an index that may be delayed; the relay has not come yet."""
    return TakeOver(world.transport, LegacyQueue(world.legacy.broker, index or world.legacy.index)).announce()


def run_in_supabase(world: World) -> list[str]:
    """Do as a worker of Supabase's; returns what it ran."""
    tasks = world.worker.claim_all()
    world.worker.finish(endings(tasks, "done"))
    return [task["job_id"] for task in tasks]


def nothing_is_left(world: World) -> bool:
    counts = world.legacy.broker.count()
    return (counts.pending, counts.scheduled, counts.leased) == (0, 0, 0)


def test_waiting_and_scheduled_ones_come_over_and_the_proof_passes(world: World, rollout: Terminal) -> None:
    world.go_to(100)
    late = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    put(world, "waits.json", payload={"n": "waits"})
    put(world, f"{round(late.timestamp() * 1e6):018d}.1.u.late.json", payload={"n": "late"})
    put(world, "2.json", task_type="other")
    let_time_pass(world)
    assert "carry no stamp" in rollout("drain-proof").out
    done = rollout.json("take-over", "--type", "count")
    assert (done["taken_over"], done["adopted"], done["still_due"]) == (2, 2, 0)
    assert done["unstamped"] == [{"task_type": "other", "why": "closed_type", "messages": 1}]
    assert "1 without a stamp of other: its type is disabled" in rollout("take-over", "--type", "count").out
    assert rollout.json("take-over")["taken_over"] == 1
    assert rollout.json("drain-proof")["verdict"] == "drained"
    found = world.database.execute("select payload, run_at from job_tasks order by run_at").fetchall()
    assert {"n": "waits"} in [row[0] for row in found]
    assert found[-1] == ({"n": "late"}, late)
    assert len(run_in_supabase(world)) == 1, "the late one waits"
    assert nothing_is_left(world)


def test_what_cannot_be_a_job_stays_and_is_said(world: World, rollout: Terminal) -> None:
    world.go_to(100)
    put(world, "000000000000000001.2.u.tried.json")
    put(world, "deadline.json", max_attempts="many")
    broken = put(world, "broken.json")
    broken.write_text("{")
    (broken.parent / "folder.json").mkdir()
    done = rollout.json("take-over")
    assert (done["taken_over"], done["adopted"]) == (0, 0)
    assert done["unstamped"] == [
        {"task_type": "", "why": "unreadable", "messages": 3},
        {"task_type": "count", "why": "begun", "messages": 1},
    ]
    assert broken.exists(), "under its own name: something else may still write it"
    said = rollout("take-over").out
    assert "3 without a stamp of no known type: it cannot be read" in said
    assert "1 without a stamp of count: legacy runs it, or tried it before" in said


def test_a_worker_that_starts_first_keeps_it(either: World) -> None:
    ran: list[str] = []
    put(either)

    def let_it_run() -> None:
        with working(either, ran):
            until(lambda: ran and nothing_is_left(either), "the worker")

    announced = announce(either, Delayed(either.legacy.index, "adopt", before=let_it_run))
    assert (announced.adopted, announced.unstamped) == (0, {("count", "begun"): 1})
    either.relay.turn()
    assert run_in_supabase(either) == []
    assert len(ran) == 1
    assert either.legacy.index.count().unstamped_runs == 1


def test_a_worker_that_has_it_when_it_is_adopted_runs_it_under_the_marker(either: World) -> None:
    ran: list[str] = []
    found = _listed(either)
    before: Callable[[], None] = lambda: _adopt(either, found)  # noqa: E731
    with working(either, ran, Delayed(either.legacy.index, "start_unstamped", before)):
        until(lambda: nothing_is_left(either), "the worker")
    assert announce(either).due == 0
    assert either.relay.turn().outcomes == 1
    [job_id] = ran
    assert run_in_supabase(either) == []
    row = either.database.execute(
        "select owner_outcome ->> 'status' from jobs where job_id = %s and owner = 'legacy'", [job_id]
    ).fetchone()
    assert row == ("completed",)
    assert either.legacy.index.count().unstamped_runs == 0


def test_a_worker_that_comes_between_the_announcement_and_the_relay_keeps_it(either: World) -> None:
    ran: list[str] = []
    put(either)
    assert announce(either).due == 1
    with working(either, ran):
        until(lambda: nothing_is_left(either), "the worker")
    done = either.relay.turn()
    assert (done.taken_over, done.outcomes) == (0, 1)
    assert run_in_supabase(either) == []
    assert len(ran) == 1


def test_a_worker_that_has_it_when_it_is_taken_over_drops_it(either: World) -> None:
    ran: list[str] = []
    found = _listed(either)

    def take_over() -> None:
        _adopt(either, found)
        assert announce(either).due == 1
        assert either.relay.turn().taken_over == 1

    with working(either, ran, Delayed(either.legacy.index, "start_unstamped", take_over)):
        until(lambda: nothing_is_left(either), "the worker")
    assert ran == []
    assert [one.job.job_id for one in found if one.job] == run_in_supabase(either)


def _listed(world: World) -> list[Unstamped]:
    put(world)
    return list(world.legacy.broker.unstamped())


def _adopt(world: World, found: list[Unstamped]) -> None:
    index: Index = world.legacy.index
    assert index.adopt([(one.job, one.native_id) for one in found if one.job]) == ["adopted"]


def test_take_overs_and_workers_at_once_run_each_once(either: World) -> None:
    ran: list[str] = []
    for number in range(40):
        put(either, f"{number}.json", payload={"n": number})
    ready = threading.Barrier(3, timeout=DEADLINE_SECONDS)

    def take_over() -> None:
        ready.wait()
        announce(either)
        either.relay.turn()

    threads = [threading.Thread(target=take_over) for _ in range(2)]
    for thread in threads:
        thread.start()
    ready.wait()
    with working(either, ran):
        for thread in threads:
            thread.join(DEADLINE_SECONDS)
        until(lambda: nothing_is_left(either), "the worker")
    announce(either)
    either.relay.turn()
    there = run_in_supabase(either)
    assert len(ran) + len(there) == 40
    assert len({*ran, *there}) == 40


def test_a_name_that_comes_again_is_another_message(either: World) -> None:
    ran: list[str] = []
    put(either, payload={"n": 1})
    announce(either)
    either.relay.turn()
    put(either, payload={"n": 1})
    with working(either, ran):
        until(lambda: nothing_is_left(either), "the worker")
    assert len(ran) == len(run_in_supabase(either)) == 1


def test_what_was_taken_over_can_come_back(either: World) -> None:
    put(either)
    announce(either)
    either.relay.turn()
    either.change(is_enabled=False, rollout_percent=0)
    either.change(hand_back="not_started")
    assert either.relay.hand_back().handed_back == 1
    either.relay.turn()
    [(job_id, epoch)] = either.published()
    assert epoch == 2
    assert run_in_supabase(either) == []
    guard = Guard(either.legacy.index, start_in_supabase=lambda *_: "started")
    assert guard.admit({"v": 1, "job_id": job_id, "epoch": 2}, "count").verdict == "run"
    assert guard.admit(None, "count", job_id).verdict == "drop"
