"""Which job a message without a stamp of RQ, Celery or BullMQ stands for, and why another has to stay."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import rq
from bullmq import Queue
from celery import Celery, chain, group, signature
from rq.job import Job

from supaqueue.backoff import Backoff
from supaqueue.contract import NewJob
from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.legacy.broker import Broker
from supaqueue.cutover.legacy.bullmq import BullBroker
from supaqueue.cutover.legacy.celery import CeleryBroker
from supaqueue.cutover.legacy.celery_redis import CeleryOnRedis
from supaqueue.cutover.legacy.redis_connection import connect
from supaqueue.cutover.legacy.rq import RqBroker
from supaqueue.devstack import ports
from supaqueue.errors import ConfigurationError
from tests.cutover.celery_app import make_app
from tests.valkey import Valkey

LATER = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)


def only_job(broker: Broker) -> NewJob:
    """The job of the one message that waits."""
    [one] = broker.unstamped()
    assert one.job is not None, one.why_left
    return one.job


def left(broker: Broker) -> list[tuple[str, str | None]]:
    """What waits and has to stay, by task type."""
    return sorted((one.task_type, one.why_left) for one in broker.unstamped() if one.job is None)


# RQ


@pytest.fixture
def client(valkey: Valkey) -> Iterator[redis.Redis]:
    """A client as applications make it."""
    with connect(valkey.url) as client:
        yield client


@pytest.fixture
def rq_broker(client: redis.Redis) -> RqBroker:
    """A broker that knows functions."""
    functions = {"resize": "shop.resize", "mail": "shop.mail"}
    return RqBroker(client, handlers="shop.run", functions=functions, keyword_types=("mail",))


@pytest.fixture
def rq_queue(client: redis.Redis) -> rq.Queue:
    """A queue as applications have it."""
    return rq.Queue("pictures", connection=client)


def test_an_rq_job_of_a_function(rq_broker: RqBroker, rq_queue: rq.Queue) -> None:
    rq_queue.enqueue("shop.resize", {"path": "a.png"}, job_timeout=90, retry=rq.Retry(max=2, interval=7))
    job = only_job(rq_broker)
    assert (job.task_type, job.payload, job.queue) == ("resize", {"path": "a.png"}, "pictures")
    assert (job.max_attempts, job.backoff, job.timeout_seconds) == (3, Backoff.fixed(7), 90)


def test_an_rq_job_without_retries_is_tried_once(rq_broker: RqBroker, rq_queue: rq.Queue) -> None:
    rq_queue.enqueue("shop.resize", 1)
    job = only_job(rq_broker)
    assert (job.max_attempts, job.backoff) == (1, None)


def test_an_rq_job_of_keywords_and_one_of_a_registry(rq_broker: RqBroker, rq_queue: rq.Queue) -> None:
    rq_queue.enqueue("shop.mail", to="ann")
    rq_queue.enqueue_at(LATER, "shop.run", "report", {"n": 1})
    found = {one.task_type: one.job for one in rq_broker.unstamped()}
    mail, report = found["mail"], found["report"]
    assert mail is not None
    assert mail.payload == {"to": "ann"}
    assert report is not None
    assert (report.payload, report.run_at, report.max_attempts) == ({"n": 1}, LATER, None)
    assert report.timeout_seconds is None, "a registry's handlers have their own"


def test_rq_jobs_that_have_to_stay(rq_broker: RqBroker, rq_queue: rq.Queue) -> None:
    rq_queue.enqueue("shop.resize", "a.png", 3)
    rq_queue.enqueue("shop.unknown", 1)
    rq_queue.enqueue("shop.mail", {"to": "ann"})
    rq_queue.enqueue("shop.resize", (1, 2))
    rq_queue.enqueue("shop.resize", {"at": LATER})
    rq_queue.enqueue("shop.resize", 1, ttl=60)
    rq_queue.enqueue("shop.resize", 1, retry=rq.Retry(max=2, interval=[1, 2]))
    rq_queue.enqueue("shop.resize", 1, on_success=rq.Callback("shop.tell"))
    rq_queue.enqueue("shop.resize", 1, repeat=rq.Repeat(times=2, interval=3))
    rq_queue.enqueue("shop.resize", 1, meta={"cron_string": "* * * * *"})
    first = rq_queue.enqueue("shop.resize", 1)
    rq_queue.enqueue("shop.resize", 2, depends_on=first)
    assert [why for _, why in left(rq_broker)] == [
        "unmapped",
        *("linked", "linked"),
        *("no_json", "no_json"),
        *("options", "options", "options"),
        *("recurring", "recurring"),
        "unmapped",
        "unmapped",
    ]
    assert len(list(rq_broker.unstamped())) == 12


def test_an_rq_job_that_was_tried_has_to_stay(
    rq_broker: RqBroker, rq_queue: rq.Queue, client: redis.Redis
) -> None:
    retried, held = rq_queue.enqueue("shop.resize", 1), rq_queue.enqueue("shop.resize", 1)
    client.hset(retried.key, "number_of_retries", 1)
    client.hset(held.key, "started_at", "2026-01-01T00:00:00.000000Z")
    assert left(rq_broker) == [("resize", "begun")] * 2


def test_an_rq_id_that_comes_again_is_another_job(rq_broker: RqBroker, rq_queue: rq.Queue) -> None:
    rq_queue.enqueue("shop.resize", 1, job_id="nightly")
    [first] = rq_broker.unstamped()
    Job.fetch("nightly", connection=rq_queue.connection).delete()
    rq_queue.enqueue("shop.resize", 1, job_id="nightly")
    [second] = rq_broker.unstamped()
    assert first.job is not None
    assert second.job is not None
    assert first.job.job_id != second.job.job_id
    assert rq_broker.withdraw([first.native_id]) == [False], "that one is gone"
    assert rq_broker.withdraw([second.native_id]) == [True]


# Celery


@pytest.fixture
def app(valkey: Valkey) -> Iterator[Celery]:
    """An app as teams have it."""
    with make_app(valkey.url) as app:
        yield app


@pytest.fixture
def celery(app: Celery) -> Iterator[CeleryOnRedis]:
    """A broker that knows of keywords."""
    broker = CeleryOnRedis(app, queues=("other",), keyword_types=("mail",))
    yield broker
    broker.close()


def test_celery_s_calls_are_jobs_where_a_payload_makes_them(celery: CeleryOnRedis, app: Celery) -> None:
    app.send_task("resize", [{"path": "a.png"}], queue="other", eta=LATER)
    app.send_task("mail", kwargs={"to": "ann"})
    app.send_task("mail")
    found = [one.job for one in celery.unstamped() if one.job is not None]
    described = {(job.task_type, str(job.payload), job.queue, job.run_at) for job in found}
    assert described == {
        ("resize", "{'path': 'a.png'}", "other", LATER),
        ("mail", "{'to': 'ann'}", "default", None),
        ("mail", "{}", "default", None),
    }


def test_celery_s_calls_that_have_to_stay(celery: CeleryOnRedis, app: Celery) -> None:
    app.send_task("two_arguments", [1, 2])
    app.send_task("no_argument")
    app.send_task("keywords", kwargs={"a": 1})
    app.send_task("expires", [1], expires=60)
    app.send_task("limited", [1], soft_time_limit=3)
    app.send_task("dated", [{"at": LATER}])
    app.send_task("retried", [1], retries=1)
    app.send_task("linked", [1], link=signature("then", app=app))
    chain(signature("chained", [1], app=app), signature("then", app=app)).apply_async()
    group([signature("grouped", [1], app=app)] * 2).apply_async()
    assert left(celery) == [
        ("chained", "linked"),
        ("dated", "no_json"),
        ("expires", "options"),
        ("grouped", "linked"),
        ("grouped", "linked"),
        ("keywords", "unmapped"),
        ("limited", "options"),
        ("linked", "linked"),
        ("no_argument", "unmapped"),
        ("retried", "begun"),
        ("two_arguments", "unmapped"),
    ]


def test_a_celery_id_with_other_arguments_is_another_job(celery: CeleryOnRedis, app: Celery) -> None:
    for number in (1, 2, 2):
        app.send_task("resize", [number], task_id="mine")
    found = list(celery.unstamped())
    assert len({one.job.job_id for one in found if one.job}) == 2
    [first, *_] = [one for one in found if one.job and one.job.payload == 1]
    assert celery.withdraw([first.native_id]) == [True]
    assert [one.job.payload for one in celery.unstamped() if one.job] == [2, 2]


def test_a_transport_that_lists_nothing_says_so(app: Celery) -> None:
    with pytest.raises(ConfigurationError, match="does not tell which messages wait"):
        CeleryBroker(app).unstamped()


# BullMQ


@pytest.fixture
def bull(valkey: Valkey) -> Iterator[BullBroker]:
    """A broker over two queues."""
    broker = BullBroker(valkey.url, queues=("default", "other"))
    yield broker
    broker.close()


def in_queue(url: str, name: str, work: Callable[[Any], Awaitable[Any]]) -> None:
    """Do something with a BullMQ queue."""

    async def go() -> None:
        queue = Queue(name, {"connection": url})
        await work(queue)
        await queue.close()

    asyncio.run(go())


def test_a_bullmq_job_with_its_attempts(bull: BullBroker, valkey: Valkey) -> None:
    backoff = {"type": "exponential", "delay": 1500}
    in_queue(valkey.url, "other", lambda queue: queue.add("resize", [1], {"attempts": 3, "backoff": backoff}))
    job = only_job(bull)
    assert (job.task_type, job.payload, job.queue, job.max_attempts) == ("resize", [1], "other", 3)
    assert job.backoff is not None
    assert [job.backoff.longest(retry) for retry in (1, 2, 3)] == [1.5, 3, 6]


def test_bullmq_counts_its_ids_queue_by_queue(bull: BullBroker, valkey: Valkey) -> None:
    for name in ("default", "other"):
        in_queue(valkey.url, name, lambda queue: queue.add("resize", 1))
    one, other = bull.unstamped()
    assert one.job is not None
    assert other.job is not None
    assert one.job.job_id != other.job.job_id
    assert bull.withdraw([other.native_id]) == [True]
    assert [found.native_id for found in bull.unstamped()] == [one.native_id]


def test_a_bullmq_id_that_comes_again_is_another_job(bull: BullBroker, valkey: Valkey) -> None:
    in_queue(valkey.url, "default", lambda queue: queue.add("resize", 1, {"jobId": "mine", "timestamp": 1}))
    [first] = bull.unstamped()
    assert bull.withdraw([first.native_id]) == [True]
    in_queue(valkey.url, "default", lambda queue: queue.add("resize", 1, {"jobId": "mine", "timestamp": 2}))
    assert bull.withdraw([first.native_id]) == [False]
    [second] = bull.unstamped()
    assert first.job != second.job


def test_bullmq_jobs_that_have_to_stay(bull: BullBroker, valkey: Valkey) -> None:
    async def fill(queue: Any) -> None:
        await queue.add("custom", 1, {"attempts": 2, "backoff": {"type": "mine", "delay": 1}})
        await queue.add("once", 1, {"deduplication": {"id": "x"}})
        await queue.add("tried", 1, {"jobId": "tried"})
        await queue.add("child", 1, {"jobId": "child"})
        await queue.add("parent", 1, {"jobId": "parent"})
        await queue.add("again", 1, {"jobId": "again"})

    in_queue(valkey.url, "default", fill)
    with valkey.client() as client:
        client.hset("bull:default:tried", "atm", 1)
        client.hset("bull:default:again", "rjk", "every minute")
        client.hset("bull:default:child", "opts", '{"parent": {"id": "1", "queue": "bull:default"}}')
        client.hset("bull:default:parent:processed", "bull:default:child", "1")
    assert left(bull) == [
        ("again", "recurring"),
        ("child", "linked"),
        ("custom", "options"),
        ("once", "options"),
        ("parent", "linked"),
        ("tried", "begun"),
    ]


@pytest.mark.slow
def test_a_broker_that_is_away_says_so() -> None:
    url = f"redis://127.0.0.1:{ports.choose(None)}/0"
    with connect(url) as client:
        for broker in (RqBroker(client), CeleryOnRedis(make_app(url)), BullBroker(url)):
            with pytest.raises(LegacyUnavailable):
                list(broker.unstamped())
