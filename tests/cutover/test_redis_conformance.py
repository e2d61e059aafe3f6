"""RQ and the index in Redis pass the suite that every old queue has to pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from rq import Queue

from supaqueue.contract import NewJob
from supaqueue.cutover.legacy.conformance import IndexConformance, LegacyConformance
from supaqueue.cutover.legacy.index import Index
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.legacy.redis_connection import connect as connect_to_redis
from supaqueue.cutover.legacy.redis_index import RedisIndex
from supaqueue.cutover.legacy.rq import RqBroker
from tests.valkey import Valkey


def redis_index(url: str) -> Index:
    """The index in a Redis."""
    return RedisIndex(connect_to_redis(url))


def rq_queue(url: str) -> LegacyQueue:
    """RQ on a Redis, with its index beside it."""
    client = connect_to_redis(url)
    return LegacyQueue(RqBroker(client), RedisIndex(client))


def enqueue_job(url: str, job: NewJob) -> None:
    """Enqueue a job as an application does."""
    queue = Queue(job.queue, connection=connect_to_redis(url))
    if job.run_at is None:
        queue.enqueue(job.task_type, job.payload)
    else:
        queue.enqueue_at(job.run_at, job.task_type, job.payload)


class TestRedisIndex(IndexConformance):
    @pytest.fixture
    def connect_index(self, valkey: Valkey) -> Callable[[], Index]:
        return partial(redis_index, valkey.url)


class TestRq(LegacyConformance):
    @pytest.fixture
    def connect(self, valkey: Valkey) -> Callable[[], LegacyQueue]:
        return partial(rq_queue, valkey.url)

    @pytest.fixture
    def put_unstamped(self, valkey: Valkey) -> Callable[[NewJob], None]:
        return partial(enqueue_job, valkey.url)
