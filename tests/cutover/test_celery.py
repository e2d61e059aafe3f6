"""Celery on a real Valkey, with real workers: what is published runs once, whatever it asks for."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.result import AsyncResult

from supaqueue.contract import PROBE_TYPE, NewJob
from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.legacy.broker import BrokerCounts
from supaqueue.cutover.legacy.celery import CeleryBroker
from supaqueue.cutover.legacy.celery_redis import CeleryOnRedis
from supaqueue.cutover.legacy.entry import Ending, Entry, Message
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.legacy.redis_connection import connect
from supaqueue.cutover.legacy.redis_index import RedisIndex
from supaqueue.cutover.stamp import Stamp
from supaqueue.devstack import ports
from supaqueue.errors import ConfigurationError
from supaqueue.job_id import new_job_id
from tests.cutover.celery_app import add_old_tasks, make_app, make_guard
from tests.cutover.processes import celery_worker, legacy_process, seen_by
from tests.valkey import Valkey
from tests.worker.waiting import until


class Ground:
    """A server, an app, and the queue over both."""

    def __init__(self, valkey: Valkey) -> None:
        self.url = valkey.url
        self.client = valkey.client()
        self.app = make_app(valkey.url)
        self.broker = CeleryOnRedis(self.app, queues=("other",), keyword_types=("old_keywords",))
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

    def open_gate(self, name: str) -> None:
        """Let through who waits there."""
        self.client.set(f"gate:{name}", 1)

    def close(self) -> None:
        """Give back connections."""
        self.queue.close()
        self.client.close()
        self.app.close()


@pytest.fixture
def ground(valkey: Valkey) -> Iterator[Ground]:
    """An empty server without workers."""
    made = Ground(valkey)
    yield made
    made.close()


@pytest.fixture(scope="module", params=["solo", "prefork"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A server of its own with a worker, for tests that do not look at other jobs."""
    directory = tmp_path_factory.mktemp("celery")
    server = Valkey(directory / "valkey")
    server.start()
    log = directory / f"{request.param}.log"
    with ExitStack() as stack:
        stack.callback(server.stop)
        worker = stack.enter_context(
            legacy_process(celery_worker(server.url, log, request.param), server.url, log)
        )
        worker.wait_for("ready")
        made = Ground(server)
        stack.callback(made.close)
        yield made


def test_a_registrys_handler_runs_with_its_payload(served: Ground) -> None:
    job_ids = [served.enqueue(name, {"a": 1, "b": 2}) for name in ("add", "add_async")]
    for job_id in job_ids:
        entry = served.ended(job_id)
        assert entry.ending is not None
        assert (entry.ending.status, entry.ending.result, entry.ending.attempts) == ("completed", 3, 1)
        assert entry.starts == 1
        assert AsyncResult(job_id, app=served.app).get(timeout=30) == 3


def test_a_probe_ends(served: Ground) -> None:
    entry = served.ended(served.enqueue(PROBE_TYPE))
    assert entry.ending is not None
    assert (entry.ending.status, entry.ending.attempts) == ("completed", 1)


def test_a_registrys_handler_is_retried_as_declared(served: Ground) -> None:
    works = served.enqueue("add", {"a": 1, "b": 2, "failures": 2})
    fails = served.enqueue("add", {"a": 1, "b": 2, "failures": 3})
    ending = served.ended(works).ending
    assert ending is not None
    assert (ending.status, ending.attempts) == ("completed", 3)
    ending = served.ended(fails).ending
    assert ending is not None
    assert (ending.status, ending.attempts, ending.error) == (
        "failed",
        3,
        {"type": "ValueError", "message": "not yet"},
    )
    assert seen_by(served.client, fails) == ["attempt 1", "attempt 2", "attempt 3"]
    with pytest.raises(Exception, match="ValueError: not yet"):
        AsyncResult(fails, app=served.app).get(timeout=30)


@pytest.mark.parametrize(
    ("asked", "status", "attempts"),
    [
        ("snooze", "completed", ["attempt 1", "attempt 1"]),
        ("retry", "completed", ["attempt 1", "attempt 2"]),
        ("cancel", "cancelled", ["attempt 1"]),
        ("fail", "failed", ["attempt 1"]),
    ],
)
def test_outcomes_in_celerys_own_means(served: Ground, asked: str, status: str, attempts: list[str]) -> None:
    job_id = served.enqueue("asks", {"for": asked})
    ending = served.ended(job_id).ending
    assert ending is not None
    assert ending.status == status
    assert seen_by(served.client, job_id) == attempts
    assert (Stamp(job_id) in served.index.unsent_first_failures(999)) == (asked == "retry")
    state = {"completed": "SUCCESS", "cancelled": "REVOKED", "failed": "FAILURE"}[status]
    until(lambda: AsyncResult(job_id, app=served.app).state == state, state)


def test_a_payload_that_does_not_fit_fails_without_being_shown(served: Ground) -> None:
    ending = served.ended(served.enqueue("add", "secret words")).ending
    assert ending is not None
    assert ending.status == "failed"
    assert "secret" not in str(ending.error)


@pytest.mark.parametrize(
    ("task_type", "payload", "status", "attempts"),
    [
        ("old_plain", 1, "completed", 1),
        ("old_keywords", {"a": 1, "b": 2}, "completed", 1),
        ("old_bound", 2, "completed", 3),
        ("old_bound", 9, "failed", 3),
        ("old_auto", "wrong", "failed", 2),
    ],
)
def test_old_tasks_keep_their_signature_and_retries(
    served: Ground, task_type: str, payload: object, status: str, attempts: int
) -> None:
    entry = served.ended(served.enqueue(task_type, payload))
    assert entry.ending is not None
    assert (entry.ending.status, entry.ending.attempts, entry.starts) == (status, attempts, attempts)
    assert (Stamp(entry.job_id) in served.index.unsent_first_failures(999)) == (attempts > 1)


def test_a_second_copy_does_nothing(served: Ground) -> None:
    job_id = served.enqueue("add", {"a": 1, "b": 2})
    served.ended(job_id)
    served.broker.publish([Message(Stamp(job_id), NewJob("add", {"a": 1, "b": 2}, job_id=job_id))])
    later = served.enqueue("add", {"a": 0, "b": 0})
    served.ended(later)
    until(
        lambda: served.broker.count().leased == 0 and served.broker.count().pending == 0, "all acknowledged"
    )
    assert seen_by(served.client, job_id) == ["attempt 1"]


def test_a_result_that_was_recorded_and_not_told_is_told(served: Ground) -> None:
    for ending, state in (
        (Ending("completed", result=7), "SUCCESS"),
        (Ending("failed", error={"type": "ValueError", "message": "no"}), "FAILURE"),
    ):
        job = NewJob("old_plain", 1)
        stamp = Stamp(job.job_id)
        served.index.accept([job])
        served.index.start(stamp, "a worker that died then", 60)
        assert served.index.finish(stamp, "a worker that died then", ending) == "recorded"
        served.broker.publish([Message(stamp, job)])
        result = AsyncResult(job.job_id, app=served.app)
        until(lambda result=result, state=state: result.state == state, state)
        assert served.entry(job.job_id).starts == 1


def test_a_retry_that_cannot_be_sent_loses_nothing(served: Ground) -> None:
    entry = served.ended(served.enqueue("old_unsendable"))
    assert entry.ending is not None
    assert (entry.ending.status, entry.ending.result, entry.starts) == ("completed", "sent", 3)


def test_a_copy_of_what_runs_is_held_and_then_dropped(served: Ground) -> None:
    gate = new_job_id()
    job = NewJob("gated", gate)
    served.queue.enqueue([job])
    until(lambda: seen_by(served.client, job.job_id), "entered")
    served.broker.publish([Message(Stamp(job.job_id), job)])
    served.open_gate(gate)
    entry = served.ended(job.job_id)
    until(lambda: served.broker.count().leased == 0 and served.broker.count().scheduled == 0, "dropped")
    assert entry.starts == 1
    assert len(seen_by(served.client, job.job_id)) == 1


def test_a_call_around_the_router_runs_and_is_counted(served: Ground) -> None:
    before = served.index.count().unstamped_runs
    assert served.app.send_task("old_plain", [1]).get(timeout=30) == 2
    assert served.app.send_task("add", [{"a": 1, "b": 1}]).get(timeout=30) == 2
    assert served.index.count().unstamped_runs == before + 2


def test_what_runs_is_told_of_its_cancellation(served: Ground) -> None:
    job_id = served.enqueue("until_cancelled")
    until(lambda: seen_by(served.client, job_id), "entered")
    assert served.queue.cancel([job_id])[0].answer == "requested"
    ending = served.ended(job_id).ending
    assert ending is not None
    assert ending.status == "cancelled"


def test_what_is_due_later_runs_later(served: Ground) -> None:
    due = datetime.now(UTC) + timedelta(seconds=2)
    job_id = served.enqueue("old_plain", 1, run_at=due)
    ending = served.ended(job_id).ending
    assert ending is not None
    assert ending.ended_at is not None
    assert ending.ended_at >= due


@pytest.mark.parametrize("pool", ["solo", "prefork"])
@pytest.mark.parametrize("task_type", ["gated", pytest.param("old_gated", marks=pytest.mark.slow)])
def test_a_job_whose_worker_is_killed_is_run_again_and_ends_once(
    own_valkey: Valkey, tmp_path: Path, pool: str, task_type: str
) -> None:
    ground = Ground(own_valkey)
    job_id = ground.enqueue(task_type, "gate")
    with worker_of(ground, tmp_path / "first.log", pool) as first:
        until(lambda: seen_by(ground.client, job_id), "entered")
        first.kill()
    with worker_of(ground, tmp_path / "second.log", pool):
        until(lambda: len(seen_by(ground.client, job_id)) == 2, "entered again")
        ground.open_gate("gate")
        entry = ground.ended(job_id)
        until(lambda: ground.broker.count().leased == 0, "acknowledged")
    assert entry.ending is not None
    assert (entry.ending.status, entry.ending.result, entry.starts) == ("completed", "through", 2)
    assert ground.index.count().unsent_endings == 1
    ground.close()


def test_a_job_whose_pool_process_is_killed_is_run_again(own_valkey: Valkey, tmp_path: Path) -> None:
    ground = Ground(own_valkey)
    with worker_of(ground, tmp_path / "worker.log", "prefork"):
        job_id = ground.enqueue("gated", "gate")
        [note] = until(lambda: seen_by(ground.client, job_id), "entered")
        os.kill(int(note.removeprefix("entered ")), signal.SIGKILL)
        until(lambda: len(seen_by(ground.client, job_id)) == 2, "entered again")
        ground.open_gate("gate")
        entry = ground.ended(job_id)
    assert entry.ending is not None
    assert (entry.ending.status, entry.starts) == ("completed", 2)
    ground.close()


def test_counts_lists_and_withdraws_what_waits(ground: Ground) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    here = ground.enqueue("old_plain", {"n": 1})
    there = ground.enqueue("old_keywords", {"a": 1, "b": 2}, queue="other")
    scheduled = ground.enqueue("old_plain", 3, run_at=later)
    foreign = ground.app.send_task("old_plain", [1, 2]).id
    counts = ground.broker.count()
    assert (counts.pending, counts.scheduled, counts.leased, counts.unstamped) == (3, 1, 0, 1)
    assert ground.entry(here).native_id == here
    found = {one.native_id: one for one in ground.broker.waiting()}
    assert found.keys() == {here, there, scheduled, foreign}
    assert (found[here].stamp, found[here].payload, found[here].task_type) == (
        Stamp(here),
        {"n": 1},
        "old_plain",
    )
    assert (found[there].queue, found[there].payload) == ("other", {"a": 1, "b": 2})
    assert found[scheduled].due_at == later
    assert (found[foreign].stamp, found[foreign].payload) == (None, {"args": [1, 2], "kwargs": {}})
    assert ground.broker.withdraw([here, there, scheduled, new_job_id()]) == [True, True, True, False]
    assert ground.broker.count().pending == 1


def test_many_are_listed_counted_and_withdrawn_page_by_page(ground: Ground) -> None:
    jobs = [NewJob("old_plain", number) for number in range(1203)]
    ground.queue.enqueue(jobs)
    assert {one.native_id for one in ground.broker.waiting()} == {job.job_id for job in jobs}
    assert ground.broker.count().pending == len(jobs)
    assert ground.broker.withdraw([job.job_id for job in jobs[:700]]) == [True] * 700
    assert ground.broker.count().pending == len(jobs) - 700


def test_another_transport_says_what_it_cannot() -> None:
    broker = CeleryBroker(Celery(broker="memory://"), queues=("never_used",))
    message = Message(Stamp(new_job_id()), NewJob("old_plain", 1))
    assert broker.publish([message]) == [message.stamp.native_id]
    broker.check_alive()
    assert broker.count() == BrokerCounts(1, None, None, None, None)
    assert broker.withdraw(["x"]) == [False]
    with pytest.raises(ConfigurationError, match="does not tell which messages wait"):
        next(broker.waiting())
    with pytest.raises(ConfigurationError, match="not in memory"):
        CeleryOnRedis(Celery(broker="memory://")).count()


def test_a_job_that_comes_back_has_another_id(ground: Ground) -> None:
    job = NewJob("old_plain", 1)
    ground.queue.enqueue([job])
    ground.queue.release([(job, 2)])
    assert {one.native_id for one in ground.broker.waiting()} == {job.job_id, f"{job.job_id}-2"}


def test_a_worker_holds_what_it_cannot_ask_supabase_about(served: Ground) -> None:
    job = NewJob("old_plain", 1)
    served.queue.release([(job, 2)])
    until(lambda: served.broker.count().scheduled == 1, "held")
    assert served.entry(job.job_id).starts == 0
    assert [one.stamp for one in served.broker.waiting()] == [Stamp(job.job_id, 2)]
    served.client.flushdb()


@pytest.mark.slow
def test_a_broker_that_is_away_is_named_without_its_password() -> None:
    port = ports.choose(None)
    broker = CeleryOnRedis(make_app(f"redis://user:secret@127.0.0.1:{port}/0"))
    with pytest.raises(LegacyUnavailable) as raised:
        broker.publish([Message(Stamp(new_job_id()), NewJob("old_plain", "payload"))])
    assert f"127.0.0.1:{port}" in str(raised.value)
    assert "secret" not in str(raised.value)
    assert "payload" not in str(raised.value)
    with pytest.raises(LegacyUnavailable):
        broker.check_alive()
    with pytest.raises(LegacyUnavailable):
        broker.count()


def test_publishing_goes_on_when_the_server_is_back(own_valkey: Valkey) -> None:
    ground = Ground(own_valkey)
    first = ground.enqueue("old_plain", 1)
    own_valkey.kill()
    job = NewJob("old_plain", 2)
    with pytest.raises(LegacyUnavailable):
        ground.broker.publish([Message(Stamp(job.job_id), job)])
    own_valkey.start()
    ground.queue.enqueue([job])
    assert {one.native_id for one in ground.broker.waiting()} == {first, job.job_id}
    ground.close()


def test_problems_are_named_with_what_to_set(ground: Ground) -> None:
    add_old_tasks(ground.app, make_guard(ground.url), ground.url)
    broker = CeleryOnRedis(ground.app, longest_run_seconds=3)
    assert broker.problems() == []
    ground.app.task(name="old_forgotten", acks_late=True)(new_job_id)
    ground.app.conf.worker_prefetch_multiplier = 4
    ground.app.conf.broker_transport_options = {"visibility_timeout": 2}
    ground.app.tasks["old_plain"].acks_late = False
    ground.app.tasks["old_plain"].reject_on_worker_lost = False
    ground.app.tasks["old_plain"].expires = 5
    ground.app.tasks["old_plain"].time_limit = 5
    problems = "\n".join(broker.problems())
    for setting in (
        "worker_prefetch_multiplier = 1",
        "visibility_timeout",
        "socket_timeout",
        "old_forgotten: asks no guard",
        "old_plain: acknowledged before it runs",
        "task_reject_on_worker_lost = True",
        "`expires`",
        "soft_time_limit",
    ):
        assert setting in problems


def worker_of(ground: Ground, log: Path, pool: str) -> Any:
    """A worker of this server; it ends with the block."""
    return legacy_process(celery_worker(ground.url, log, pool), ground.url, log)
