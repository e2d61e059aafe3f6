"""BullMQ on a real Valkey, with real workers: what is published runs once, whatever it asks for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bullmq import Queue

from supaqueue.contract import PROBE_TYPE, NewJob
from supaqueue.cutover.errors import LegacyUnavailable, NotExpressible
from supaqueue.cutover.legacy.bullmq import BullBroker
from supaqueue.cutover.legacy.entry import Ending, Entry, Message
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.legacy.redis_connection import connect
from supaqueue.cutover.legacy.redis_index import RedisIndex
from supaqueue.cutover.stamp import Stamp
from supaqueue.devstack import ports
from supaqueue.job_id import new_job_id
from tests.cutover.processes import bullmq_worker, legacy_process, seen_by
from tests.valkey import Valkey
from tests.worker.waiting import until


class Ground:
    """A server, and the queue over it."""

    def __init__(self, valkey: Valkey) -> None:
        self.url = valkey.url
        self.client = valkey.client()
        self.broker = BullBroker(valkey.url, worker_options={"maxStalledCount": 5})
        self.index = RedisIndex(connect(valkey.url))
        self.queue = LegacyQueue(self.broker, self.index)

    def enqueue(self, task_type: str, payload: object = None, **options: Any) -> str:
        """Enqueue one job, and return its id."""
        job = NewJob(task_type, payload, **options)
        assert self.queue.enqueue([job])[0].answer == "created"
        return job.job_id

    def entry(self, job_id: str) -> Entry:
        """What the index knows of a job."""
        [entry] = self.index.get([job_id])
        assert entry is not None
        return entry

    def ended(self, job_id: str) -> Entry:
        """The entry of a job, once it has ended."""
        until(lambda: self.entry(job_id).ending, f"end of {job_id}")
        return self.entry(job_id)

    def stored(self, native_id: str) -> dict[str, str]:
        """A job as BullMQ keeps it, for Node workers too."""
        fields = self.client.hgetall(f"bull:default:{native_id}")
        return {name.decode(): value.decode() for name, value in fields.items()}

    def open_gate(self, name: str) -> None:
        """Let through who waits there."""
        self.client.set(f"gate:{name}", 1)

    def close(self) -> None:
        """Give back connections."""
        self.queue.close()
        self.client.close()


@pytest.fixture
def ground(valkey: Valkey) -> Iterator[Ground]:
    """An empty server without workers."""
    made = Ground(valkey)
    yield made
    made.close()


def served_by(kind: str, directory: Path) -> Iterator[Ground]:
    """A server of its own with a worker."""
    server = Valkey(directory / "valkey")
    server.start()
    log = directory / "worker.log"
    with ExitStack() as stack:
        stack.callback(server.stop)
        worker = stack.enter_context(legacy_process(bullmq_worker(kind), server.url, log))
        worker.wait_for("ready")
        made = Ground(server)
        stack.callback(made.close)
        yield made


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A worker with a registry's handlers."""
    yield from served_by("registry", tmp_path_factory.mktemp("bullmq"))


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A worker with a processor that was there before."""
    yield from served_by("old", tmp_path_factory.mktemp("bullmq"))


def test_a_registrys_handler_runs_with_its_payload(served: Ground) -> None:
    for name in ("add", "add_async"):
        job_id = served.enqueue(name, {"a": 1, "b": 2})
        entry = served.ended(job_id)
        assert entry.ending is not None
        assert (entry.ending.status, entry.ending.result, entry.ending.attempts) == ("completed", 3, 1)
        assert entry.starts == 1
        until(lambda job_id=job_id: served.stored(job_id).get("returnvalue") == "3", "returnvalue")


@pytest.mark.parametrize("kind", ["served", "old"])
def test_a_probe_ends(kind: str, request: pytest.FixtureRequest) -> None:
    """A processor that was there before is not given it."""
    ground: Ground = request.getfixturevalue(kind)
    job_id = ground.enqueue(PROBE_TYPE)
    entry = ground.ended(job_id)
    assert entry.ending is not None
    assert (entry.ending.status, entry.ending.result) == ("completed", None)
    assert not seen_by(ground.client, job_id)


def test_a_registrys_handler_is_retried_as_declared(served: Ground) -> None:
    works = served.enqueue("add", {"a": 1, "b": 2, "failures": 2})
    fails = served.enqueue("add", {"a": 1, "b": 2, "failures": 3})
    once = served.enqueue("add", {"a": 1, "b": 2, "failures": 3}, max_attempts=1)
    ending = served.ended(works).ending
    assert ending is not None
    assert (ending.status, ending.attempts) == ("completed", 3)
    for job_id, attempts in ((fails, 3), (once, 1)):
        ending = served.ended(job_id).ending
        assert ending is not None
        assert (ending.status, ending.attempts) == ("failed", attempts)
        assert ending.error == {"type": "ValueError", "message": "not yet"}
        until(lambda job_id=job_id: "finishedOn" in served.stored(job_id), "failed in BullMQ too")
        assert served.stored(job_id)["failedReason"] == "ValueError: not yet"


@pytest.mark.parametrize(
    ("asked", "status", "attempts"),
    [
        ("snooze", "completed", ["attempt 1", "attempt 1"]),
        ("retry", "completed", ["attempt 1", "attempt 2"]),
        ("cancel", "cancelled", ["attempt 1"]),
        ("fail", "failed", ["attempt 1"]),
    ],
)
def test_outcomes_in_bullmqs_own_means(served: Ground, asked: str, status: str, attempts: list[str]) -> None:
    job_id = served.enqueue("asks", {"for": asked})
    ending = served.ended(job_id).ending
    assert ending is not None
    assert ending.status == status
    assert seen_by(served.client, job_id) == attempts
    assert (Stamp(job_id) in served.index.unsent_first_failures(999)) == (asked == "retry")
    until(lambda: "finishedOn" in served.stored(job_id), "ended in BullMQ too")


def test_what_runs_is_told_of_its_cancellation(served: Ground) -> None:
    job_id = served.enqueue("until_cancelled")
    until(lambda: seen_by(served.client, job_id), "entered")
    assert served.queue.cancel([job_id])[0].answer == "requested"
    ending = served.ended(job_id).ending
    assert ending is not None
    assert ending.status == "cancelled"


def test_a_type_that_nobody_registered_is_held(served: Ground) -> None:
    job_id = served.enqueue("unheard_of")
    until(lambda: any(one.due_at for one in served.broker.waiting() if one.native_id == job_id), "held")
    assert served.entry(job_id).ending is None
    assert served.queue.cancel([job_id])[0].answer == "cancelled"


@pytest.mark.parametrize(
    ("task_type", "payload", "options", "status", "attempts"),
    [
        ("adds", {"a": 1, "b": 2}, {}, "completed", 1),
        ("fails_until", 2, {"max_attempts": 3}, "completed", 3),
        ("fails_until", 2, {"max_attempts": 2}, "failed", 2),
        ("fails_until", 2, {}, "failed", 1),
        ("gives_up", None, {"max_attempts": 3}, "failed", 1),
    ],
)
def test_an_old_processor_keeps_its_retries(
    old: Ground, task_type: str, payload: object, options: dict[str, Any], status: str, attempts: int
) -> None:
    entry = old.ended(old.enqueue(task_type, payload, **options))
    assert entry.ending is not None
    assert (entry.ending.status, entry.ending.attempts, entry.starts) == (status, attempts, attempts)
    assert (Stamp(entry.job_id) in old.index.unsent_first_failures(999)) == (attempts > 1)


def test_an_old_processors_signal_is_set_by_a_cancellation(old: Ground) -> None:
    job_id = old.enqueue("until_signal")
    until(lambda: seen_by(old.client, job_id), "entered")
    assert old.queue.cancel([job_id])[0].answer == "requested"
    assert old.ended(job_id).ending is not None


def test_what_another_runner_has_is_held_and_then_dropped(old: Ground) -> None:
    job = NewJob("adds", {"a": 1, "b": 2})
    old.index.accept([job])
    stamp = Stamp(job.job_id)
    assert old.index.start(stamp, "another", 60) == "started"
    old.broker.publish([Message(stamp, job)])
    until(lambda: old.broker.count().scheduled == 1, "held")
    assert old.stored(job.job_id).get("atm", "0") == "0"
    old.index.free(stamp, "another")
    ending = old.ended(job.job_id).ending
    assert ending is not None
    assert ending.attempts == 1


def test_a_result_that_was_recorded_and_not_told_is_told(old: Ground) -> None:
    job = NewJob("adds", {"a": 1, "b": 2})
    stamp = Stamp(job.job_id)
    old.index.accept([job])
    old.index.start(stamp, "a worker that died then", 60)
    old.index.finish(stamp, "a worker that died then", Ending("completed", result=7))
    old.broker.publish([Message(stamp, job)])
    until(lambda: old.stored(job.job_id).get("returnvalue") == "7", "returnvalue")
    assert seen_by(old.client, job.job_id) == []


def test_a_job_added_around_the_router_runs_and_is_counted(old: Ground) -> None:
    before = old.index.count().unstamped_runs
    job_id = in_loop(add(old.url, "adds", {"a": 1, "b": 2}))
    until(lambda: old.stored(job_id).get("returnvalue") == "3", "returnvalue")
    assert old.index.count().unstamped_runs == before + 1


@pytest.mark.parametrize(("kind", "task_type"), [("registry", "gated"), ("old", "waits")])
def test_a_job_whose_worker_is_killed_is_run_again_and_ends_once(
    own_valkey: Valkey, tmp_path: Path, kind: str, task_type: str
) -> None:
    ground = Ground(own_valkey)
    job_id = ground.enqueue(task_type, "gate")
    with legacy_process(bullmq_worker(kind), ground.url, tmp_path / "first.log") as first:
        until(lambda: seen_by(ground.client, job_id), "entered")
        first.kill()
    with legacy_process(bullmq_worker(kind), ground.url, tmp_path / "second.log"):
        until(lambda: len(seen_by(ground.client, job_id)) == 2, "entered again")
        ground.open_gate("gate")
        entry = ground.ended(job_id)
        until(lambda: "finishedOn" in ground.stored(job_id), "ended in BullMQ too")
    assert entry.ending is not None
    assert (entry.ending.status, entry.ending.attempts, entry.starts) == ("completed", 1, 2)
    assert ground.index.count().unsent_endings == 1
    ground.close()


def test_a_job_that_bullmq_fails_by_itself_has_an_ending(own_valkey: Valkey, tmp_path: Path) -> None:
    ground = Ground(own_valkey)
    job_id = ground.enqueue("gated", "gate")
    with legacy_process(bullmq_worker("registry", 0), ground.url, tmp_path / "first.log") as first:
        until(lambda: seen_by(ground.client, job_id), "entered")
        first.kill()
    with legacy_process(bullmq_worker("registry", 0), ground.url, tmp_path / "second.log"):
        ending = ground.ended(job_id).ending
    assert ending is not None
    assert ending.status == "failed"
    assert "stalled" in str(ending.error)
    assert len(seen_by(ground.client, job_id)) == 1
    ground.close()


def test_the_payload_is_untouched_and_the_stamp_is_an_option(ground: Ground) -> None:
    job_id = ground.enqueue("adds", {"a": 1, "text": "ä"}, max_attempts=4)
    stored = ground.stored(job_id)
    assert json.loads(stored["data"]) == {"a": 1, "text": "ä"}
    assert stored["name"] == "adds"
    options = json.loads(stored["opts"])
    assert options["supaqueue"] == Stamp(job_id).as_json()
    assert options["attempts"] == 4


def test_counts_lists_and_withdraws_what_waits(ground: Ground) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    here = ground.enqueue("adds", {"n": 1})
    there = ground.enqueue("adds", 2, queue="other")
    scheduled = ground.enqueue("adds", 3, run_at=later)
    foreign = in_loop(add(ground.url, "adds", {"a": 1}))
    counts = ground.broker.count()
    assert (counts.pending, counts.scheduled, counts.retrying, counts.leased, counts.unstamped) == (
        *(3, 1, 0, 0, 1),
    )
    assert ground.entry(here).native_id == here
    found = {one.native_id: one for one in ground.broker.waiting()}
    assert found.keys() == {here, there, scheduled, foreign}
    assert (found[here].stamp, found[here].payload, found[here].task_type) == (Stamp(here), {"n": 1}, "adds")
    assert found[there].queue == "other"
    due_at = found[scheduled].due_at
    assert due_at is not None
    assert abs(due_at - later) < timedelta(milliseconds=2)
    assert found[foreign].stamp is None
    ids = [here, there, scheduled, new_job_id()]
    assert ground.broker.withdraw(ids) == [True, True, True, False]
    assert ground.broker.withdraw(ids) == [False, False, False, False]
    assert ground.broker.count().pending == 1


def test_many_jobs_are_listed_and_counted_page_by_page(ground: Ground) -> None:
    jobs = [NewJob("adds", number) for number in range(1203)]
    ground.queue.enqueue(jobs)
    assert {one.native_id for one in ground.broker.waiting()} == {job.job_id for job in jobs}
    assert ground.broker.count().pending == len(jobs)


def test_a_job_that_comes_back_has_another_id(ground: Ground) -> None:
    job = NewJob("adds", 1)
    ground.queue.enqueue([job])
    ground.queue.release([(job, 2)])
    assert {one.native_id for one in ground.broker.waiting()} == {job.job_id, f"{job.job_id}-2"}


def test_what_bullmq_cannot_hold_is_refused(ground: Ground) -> None:
    with pytest.raises(NotExpressible, match="doubling delay"):
        ground.queue.enqueue([NewJob("adds", 1, backoff=3)])


def test_a_server_that_is_away_is_named_without_its_password() -> None:
    port = ports.choose(None)
    broker = BullBroker(f"redis://user:secret@127.0.0.1:{port}/0")
    message = Message(Stamp(new_job_id()), NewJob("adds", "payload"))
    for call in (
        lambda: broker.publish([message]),
        broker.check_alive,
        broker.count,
        lambda: list(broker.waiting()),
        lambda: broker.withdraw(["x"]),
    ):
        with pytest.raises(LegacyUnavailable) as raised:
            call()
        assert f"127.0.0.1:{port}" in str(raised.value)
        assert "secret" not in str(raised.value)
        assert "payload" not in str(raised.value)
    broker.close()


def test_publishing_goes_on_when_the_server_is_back(own_valkey: Valkey) -> None:
    ground = Ground(own_valkey)
    first = ground.enqueue("adds", 1)
    own_valkey.kill()
    job = NewJob("adds", 2)
    with pytest.raises(LegacyUnavailable):
        ground.broker.publish([Message(Stamp(job.job_id), job)])
    own_valkey.start()
    ground.queue.enqueue([job])
    assert {one.native_id for one in ground.broker.waiting()} == {first, job.job_id}
    ground.close()


def test_problems_are_named_with_what_to_set(ground: Ground) -> None:
    assert ground.broker.problems() == []
    wrong = {"maxStalledCount": 1, "skipStalledCheck": True, "lockDuration": 1000, "lockRenewTime": 900}
    problems = "\n".join(BullBroker(ground.url, worker_options=wrong).problems())
    for setting in ("maxStalledCount = 5", "skipStalledCheck", "lockRenewTime"):
        assert setting in problems


async def add(url: str, name: str, payload: object) -> str:
    """Add a job as a team's own code does."""
    queue = Queue("default", {"connection": url})
    job = await queue.add(name, payload)
    await queue.close()
    return str(job.id)


def in_loop(work: Coroutine[Any, Any, str]) -> str:
    """Run a coroutine to its end."""
    return asyncio.run(work)
