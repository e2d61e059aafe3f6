"""RQ as an old queue, with real workers."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from rq import Queue
from rq.job import Job
from rq.utils import utcformat

from supaqueue.contract import PROBE_TYPE, NewJob
from supaqueue.cutover.errors import LegacyUnavailable, NotExpressible
from supaqueue.cutover.legacy.entry import Ending, Entry, Message
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.legacy.redis_connection import connect
from supaqueue.cutover.legacy.redis_index import RedisIndex
from supaqueue.cutover.legacy.rq import RqBroker
from supaqueue.cutover.legacy.rq_settings import LOCK_SECONDS
from supaqueue.cutover.stamp import Stamp
from supaqueue.errors import ConfigurationError
from supaqueue.job_id import new_job_id
from tests.cutover.rq_workers import JOBS, RqWorker
from tests.valkey import Valkey
from tests.worker.waiting import until

FUNCTIONS = {name: f"{JOBS}.{name}" for name in ("add", "by_name", "stubborn", "slow")}


@pytest.fixture
def client(valkey: Valkey) -> Iterator[redis.Redis]:
    """A client as applications make it."""
    with connect(valkey.url) as client:
        yield client


@pytest.fixture
def legacy(client: redis.Redis) -> LegacyQueue:
    """RQ with its index, as an API has it."""
    broker = RqBroker(client, handlers=f"{JOBS}.run", functions=FUNCTIONS, keyword_types=("by_name",))
    return LegacyQueue(broker, RedisIndex(client))


@pytest.fixture
def start_worker(valkey: Valkey, tmp_path: Path) -> Iterator[Callable[..., RqWorker]]:
    """Starts workers, which stop with the test."""
    started: list[RqWorker] = []

    def start(lease_seconds: float = 30.0, worker_ttl: int = 60) -> RqWorker:
        started.append(RqWorker(valkey.url, tmp_path, lease_seconds=lease_seconds, worker_ttl=worker_ttl))
        return started[-1]

    yield start
    for worker in started:
        worker.stop()
        print(worker.log)


def entry_of(legacy: LegacyQueue, job: NewJob) -> Entry:
    """What the index knows of a job."""
    [entry] = legacy.get([job.job_id])
    assert entry is not None
    return entry


def ended(legacy: LegacyQueue, job: NewJob) -> Entry:
    """What the index knows of a job, once it has ended."""
    until(lambda: entry_of(legacy, job).ending is not None, f"the end of {job.task_type}")
    return entry_of(legacy, job)


def outcome(entry: Entry) -> tuple[str, object, int]:
    """Status, result and attempts."""
    assert entry.ending is not None
    return entry.ending.status, entry.ending.result, entry.ending.attempts


def status_in_rq(client: redis.Redis, job: NewJob) -> str:
    """What RQ says of a job."""
    return str(Job.fetch(job.job_id, connection=client).get_status().value)


def effects(client: redis.Redis, key: str) -> int:
    """How many effects were recorded."""
    return int(client.llen(f"effects:{key}"))  # type: ignore[arg-type]


def test_functions_and_handlers_run_in_a_worker(
    legacy: LegacyQueue, client: redis.Redis, start_worker: Callable[..., RqWorker]
) -> None:
    plain = NewJob("add", [1, 2, 3])
    keywords = NewJob("by_name", {"path": "a.png", "width": 3})
    handler = NewJob("resize", {"path": "a.png", "width": 3})
    misfit = NewJob("resize", {"path": "a.png", "width": "wide"})
    probe = NewJob(PROBE_TYPE)
    legacy.enqueue([plain, keywords, handler, misfit, probe])
    start_worker()
    assert outcome(ended(legacy, plain)) == ("completed", 6, 1)
    assert outcome(ended(legacy, keywords)) == ("completed", "a.png@3", 1)
    expected = {"path": "a.png", "job_id": handler.job_id, "attempt": 1}
    assert outcome(ended(legacy, handler)) == ("completed", expected, 1)
    assert outcome(ended(legacy, misfit))[0] == "failed"
    assert outcome(ended(legacy, probe)) == ("completed", None, 1)
    until(lambda: status_in_rq(client, misfit) == "failed", "RQ's own end")
    assert Job.fetch(handler.job_id, connection=client).return_value() == expected


@pytest.mark.parametrize(
    ("wish", "status", "result", "attempts", "runs"),
    [
        ("retry", "completed", {"attempt": 2}, 2, 2),
        ("snooze", "completed", {"attempt": 1}, 1, 2),
        ("cancel", "cancelled", None, 1, 1),
        ("fail", "failed", None, 1, 1),
    ],
)
def test_outcomes_mean_what_they_mean_in_supabase(
    legacy: LegacyQueue,
    client: redis.Redis,
    start_worker: Callable[..., RqWorker],
    wish: str,
    status: str,
    result: object,
    attempts: int,
    runs: int,
) -> None:
    job = NewJob("answer", {"as": wish})
    legacy.enqueue([job])
    start_worker()
    assert outcome(ended(legacy, job)) == (status, result, attempts)
    assert effects(client, job.job_id) == runs
    assert legacy.index.unsent_first_failures(9) == [Stamp(job.job_id)] * (wish == "retry")


def test_a_function_that_raises_is_tried_as_often_as_its_job_says(
    legacy: LegacyQueue, client: redis.Redis, start_worker: Callable[..., RqWorker]
) -> None:
    enough = NewJob("stubborn", "enough", max_attempts=3, backoff=0)
    too_few = NewJob("stubborn", "too few", max_attempts=2, backoff=1)
    legacy.enqueue([enough, too_few])
    start_worker()
    assert outcome(ended(legacy, enough)) == ("completed", 3, 3)
    assert outcome(ended(legacy, too_few)) == ("failed", None, 2)
    until(lambda: status_in_rq(client, too_few) == "failed", "RQ's own end")
    assert effects(client, "too few") == 2
    assert entry_of(legacy, too_few).starts == 2
    told = {stamp.job_id for stamp in legacy.index.unsent_first_failures(9)}
    assert told == {enough.job_id, too_few.job_id}


def test_a_message_without_a_stamp_runs_and_is_counted(
    legacy: LegacyQueue, client: redis.Redis, start_worker: Callable[..., RqWorker]
) -> None:
    job = Queue(connection=client).enqueue(f"{JOBS}.add", [4, 5])
    assert legacy.broker.count().unstamped == 1
    [waiting] = legacy.broker.waiting()
    assert (waiting.stamp, waiting.task_type, waiting.payload) == (None, "add", [4, 5])
    start_worker()
    until(lambda: job.get_status() == "finished", "the unstamped job")
    assert job.return_value() == 9
    assert legacy.index.count().unstamped_runs == 1


def test_a_delayed_job_runs_through_the_scheduler(
    legacy: LegacyQueue, client: redis.Redis, start_worker: Callable[..., RqWorker]
) -> None:
    job = NewJob("add", [1], delay=1)
    legacy.enqueue([job])
    counts = legacy.broker.count()
    assert (counts.pending, counts.scheduled) == (0, 1)
    [waiting] = legacy.broker.waiting()
    due_at = entry_of(legacy, job).due_at
    assert due_at is not None
    assert waiting.due_at == due_at.replace(microsecond=0)
    start_worker()
    assert outcome(ended(legacy, job)) == ("completed", 1, 1)


def test_what_is_held_goes_back_and_costs_nothing(
    legacy: LegacyQueue, client: redis.Redis, start_worker: Callable[..., RqWorker]
) -> None:
    job = NewJob("add", [1])
    legacy.enqueue([job])
    message = Job.fetch(job.job_id, connection=client)
    message.meta["supaqueue"]["v"] = 99
    message.save_meta()
    start_worker()
    until(lambda: legacy.broker.count().scheduled == 1, "the hold")  # RQ writes the status before the rest
    held = Job.fetch(job.job_id, connection=client)
    assert (held.retries_left, held.number_of_retries) == (message.retries_left, 0)
    assert status_in_rq(client, job) == "scheduled"
    assert effects(client, "add") == 0


def test_a_second_copy_runs_nothing_and_keeps_the_result(
    legacy: LegacyQueue, client: redis.Redis, start_worker: Callable[..., RqWorker]
) -> None:
    job = NewJob("add", [1, 1])
    legacy.enqueue([job])
    client.rpush("rq:queue:default", job.job_id)
    start_worker()
    ended(legacy, job)
    until(lambda: client.llen("rq:queue:default") == 0, "the second copy")
    marker = NewJob("add", [9])
    legacy.enqueue([marker])
    ended(legacy, marker)
    assert effects(client, "add") == 2
    assert Job.fetch(job.job_id, connection=client).return_value() == 2


def test_what_had_ended_before_its_worker_was_killed_keeps_its_result(
    legacy: LegacyQueue, client: redis.Redis, start_worker: Callable[..., RqWorker]
) -> None:
    job = NewJob("add", [1, 1])
    legacy.enqueue([job])
    legacy.index.start(Stamp(job.job_id), "killed", 60)
    legacy.index.finish(Stamp(job.job_id), "killed", Ending("completed", result=2, attempts=1))
    start_worker()
    until(lambda: status_in_rq(client, job) == "finished", "the second copy")
    assert Job.fetch(job.job_id, connection=client).return_value() == 2
    assert effects(client, "add") == 0


def test_a_function_that_takes_too_long_has_failed(
    legacy: LegacyQueue, client: redis.Redis, start_worker: Callable[..., RqWorker]
) -> None:
    job = NewJob("slow", "too slow", timeout=5, max_attempts=1)  # importing the function counts
    legacy.enqueue([job])
    start_worker()
    entry = ended(legacy, job)
    assert entry.ending is not None
    assert entry.ending.error["type"] == "JobTimeoutException"  # type: ignore[index,call-overload]
    until(lambda: status_in_rq(client, job) == "failed", "RQ's own end")
    assert effects(client, "too slow") == 1


def test_what_was_handed_over_waits_for_supabase_to_agree(
    legacy: LegacyQueue, client: redis.Redis, start_worker: Callable[..., RqWorker]
) -> None:
    job = NewJob("add", [1])
    legacy.park([job])
    assert legacy.broker.count().pending == 0
    legacy.release([(job, 1)])
    [waiting] = legacy.broker.waiting()
    assert (waiting.native_id, waiting.stamp) == (f"{job.job_id}-1", Stamp(job.job_id, 1))
    start_worker()  # its guard cannot ask Supabase
    until(lambda: legacy.broker.count().scheduled == 1, "the hold")
    assert effects(client, "add") == 0


def test_a_client_that_decodes_answers_is_refused(valkey: Valkey) -> None:
    with (
        redis.Redis.from_url(valkey.url, decode_responses=True) as client,
        pytest.raises(ConfigurationError, match="decode_responses"),
    ):
        RqBroker(client)


def test_a_repeated_enqueue_adds_no_copy(legacy: LegacyQueue, client: redis.Redis) -> None:
    job = NewJob("add", [1])
    message = Message(Stamp(job.job_id), job)
    legacy.index.accept([job])
    assert legacy.broker.publish([message, message]) == [job.job_id] * 2
    answers = legacy.enqueue([job, job])
    assert [answer.answer for answer in answers] == ["exists", "exists"]
    assert client.llen("rq:queue:default") == 1


def test_a_killed_run_is_run_again_and_finishes_once(
    legacy: LegacyQueue, client: redis.Redis, start_worker: Callable[..., RqWorker]
) -> None:
    job = NewJob("slow", "victim", max_attempts=1)
    legacy.enqueue([job])
    worker = start_worker(lease_seconds=2.0)
    until(lambda: effects(client, "victim") == 1, "the first run")
    os.kill(worker.horse(client, job.job_id), signal.SIGKILL)
    client.rpush("gate:victim:2", "go")
    entry = ended(legacy, job)
    assert outcome(entry) == ("completed", "run 2", 1)
    assert entry.starts == 2
    assert effects(client, "victim") == 2


def test_what_a_killed_worker_held_is_run_by_another_one(
    legacy: LegacyQueue, client: redis.Redis, start_worker: Callable[..., RqWorker]
) -> None:
    job = NewJob("slow", "orphan", max_attempts=1)
    legacy.enqueue([job])
    worker = start_worker(lease_seconds=2.0)
    until(lambda: effects(client, "orphan") == 1, "the first run")
    worker.kill()
    [execution] = client.zrange("rq:wip:default", 0, -1)  # type: ignore[misc]
    client.zadd("rq:wip:default", {execution: 1})  # as if the minute had passed after which RQ gives it up
    client.delete("rq:scheduler-lock:default")  # and that of the scheduler's lock
    client.rpush("gate:orphan:2", "go")
    start_worker(lease_seconds=2.0)
    entry = ended(legacy, job)
    assert outcome(entry) == ("completed", "run 2", 1)
    assert entry.starts == 2
    assert effects(client, "orphan") == 2


def test_a_worker_that_was_killed_alone_leaves_nothing_once_it_is_stopped(
    legacy: LegacyQueue, client: redis.Redis, start_worker: Callable[..., RqWorker]
) -> None:
    legacy.enqueue([NewJob("slow", "left")])
    worker = start_worker()
    until(lambda: effects(client, "left") == 1, "the run")
    worker.kill_alone()
    assert worker.parts()  # the run, at least
    worker.stop()
    assert worker.parts() == []


def test_cancelling_removes_what_waits(legacy: LegacyQueue, client: redis.Redis) -> None:
    jobs = [NewJob("add", [1]), NewJob("add", [2], run_at=datetime.now(UTC) + timedelta(days=9))]
    legacy.enqueue(jobs)
    assert [answer.answer for answer in legacy.cancel([job.job_id for job in jobs])] == ["cancelled"] * 2
    assert list(legacy.broker.waiting()) == []
    assert not any(Job.exists(job.job_id, connection=client) for job in jobs)
    assert legacy.broker.withdraw([job.job_id for job in jobs]) == [False, False]


def test_cancelling_tells_what_runs(
    legacy: LegacyQueue, client: redis.Redis, start_worker: Callable[..., RqWorker]
) -> None:
    job = NewJob("endless", "cancelled")
    legacy.enqueue([job])
    start_worker(lease_seconds=1.0)
    until(lambda: effects(client, "cancelled") == 1, "the run")
    assert legacy.broker.withdraw([job.job_id]) == [False]
    [answer] = legacy.cancel([job.job_id])
    assert answer.answer == "requested"
    assert outcome(ended(legacy, job))[0] == "cancelled"


def test_waiting_and_counts_tell_queues_and_payloads(legacy: LegacyQueue) -> None:
    first = NewJob("resize", {"path": "a"}, queue="pictures")
    second = NewJob("by_name", {"path": "b", "width": 1})
    later = NewJob("add", [1], run_at=datetime(2999, 1, 1, tzinfo=UTC))
    legacy.enqueue([first, second, later])
    found = {one.native_id: one for one in legacy.broker.waiting()}
    assert {native_id: (one.task_type, one.queue, one.payload) for native_id, one in found.items()} == {
        job.job_id: (job.task_type, job.queue, job.payload) for job in (first, second, later)
    }
    assert found[later.job_id].due_at == later.run_at
    assert found[first.job_id].stamp == Stamp(first.job_id)
    counts = legacy.broker.count()
    assert (counts.pending, counts.scheduled, counts.retrying, counts.leased, counts.unstamped) == (
        2,
        1,
        0,
        0,
        0,
    )


def test_an_option_that_rq_has_not_is_refused_before_any_write(
    legacy: LegacyQueue, client: redis.Redis
) -> None:
    with pytest.raises(NotExpressible, match="deadline"):
        legacy.enqueue([NewJob("add", [1]), NewJob("add", [1], deadline=5)])
    assert client.dbsize() == 0


def test_a_dead_server_is_named_and_a_repeat_publishes(own_valkey: Valkey) -> None:
    with connect(own_valkey.url) as client:
        legacy = LegacyQueue(RqBroker(client, functions=FUNCTIONS), RedisIndex(client))
        client.config_set("appendfsync", "always")
        job = NewJob("add", ["secret"])
        legacy.index.accept([job])
        own_valkey.kill()
        with pytest.raises(LegacyUnavailable, match=str(own_valkey.port)) as caught:
            legacy.enqueue([job])
        assert "secret" not in str(caught.value)
        with pytest.raises(LegacyUnavailable):
            legacy.broker.check_alive()
        own_valkey.start()
        legacy.broker.check_alive()
        assert [answer.answer for answer in legacy.enqueue([job])] == ["exists"]
        assert [one.native_id for one in legacy.broker.waiting()] == [job.job_id]


def test_problems_name_what_strands_or_loses_jobs(
    client: redis.Redis, start_worker: Callable[..., RqWorker]
) -> None:
    broker = RqBroker(client, queues=["default"], timeout_seconds=60, longest_run_seconds=60)
    problems = broker.problems()
    assert len(problems) == 2
    assert "RQ ends a job after 60 s" in problems[0]
    assert "no worker listens to the queue default" in problems[1]
    start_worker()
    sound = RqBroker(client, queues=["default"])
    until(lambda: sound.problems() == [], "a worker and its scheduler")

    def problems_without_a_scheduler() -> list[str]:
        client.delete("rq:scheduler-lock:default")  # the worker takes it again, when it looks
        return list(sound.problems())

    [problem] = until(problems_without_a_scheduler, "the scheduler to be missed")
    assert "no scheduler runs" in problem


def test_a_worker_that_sleeps_long_is_named_while_it_is_idle(
    legacy: LegacyQueue, client: redis.Redis, start_worker: Callable[..., RqWorker]
) -> None:
    worker = start_worker(worker_ttl=420)  # RQ's default
    sound = RqBroker(client, queues=["default"])
    until(lambda: all("sleeps" in one for one in sound.problems()), "a worker and its scheduler")
    [problem] = sound.problems()
    assert f"the worker {worker.name} sleeps up to 405 s" in problem
    assert "--worker-ttl 60 --maintenance-interval 60" in problem

    def is_told_alike_shortly_before_its_next_heartbeat() -> bool:
        with client.pipeline() as both:
            both.pexpire(f"rq:worker:{worker.name}", 100_000)
            both.hset(f"rq:worker:{worker.name}", "last_heartbeat", _ago(380))
            both.execute()
        return sound.problems() == [problem]

    # A worker that has just begun sends some heartbeats of its own.
    until(is_told_alike_shortly_before_its_next_heartbeat, "the same")
    legacy.enqueue([NewJob("slow", "long")])
    until(lambda: effects(client, "long") == 1, "the run")
    assert sound.problems() == []


def test_a_lock_whose_holder_was_killed_is_named_with_the_next_step(client: redis.Redis) -> None:
    """RQ takes it for 899 s, and gives it back after a moment, unless the worker dies in between."""
    queue = Queue("default", connection=client)
    broker = RqBroker(client, queues=["default"])

    def named() -> list[str]:
        return [one for one in broker.problems() if "jobs of killed workers" in one]

    assert queue.acquire_maintenance_lock()
    assert named() == [], "it may well be at work"
    client.expire(queue.registry_cleaning_key, LOCK_SECONDS - 62)
    [problem] = named()
    assert "in the queue default" in problem
    assert re.search(r"for another 83[67] s", problem)
    assert problem.endswith("`redis-cli DEL rq:clean_registries:default`")
    client.persist(queue.registry_cleaning_key)
    [problem] = named()
    assert "stays for ever" in problem
    queue.release_maintenance_lock()
    assert named() == []


def _ago(seconds: float) -> str:
    return utcformat(datetime.now(UTC) - timedelta(seconds=seconds))


def test_an_unknown_job_is_not_withdrawn(legacy: LegacyQueue) -> None:
    assert legacy.broker.withdraw([new_job_id()]) == [False]
    assert legacy.broker.withdraw([]) == []
