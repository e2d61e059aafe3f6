"""Celery and BullMQ with the index in Redis pass the suite that every old queue has to pass."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest
from bullmq import Queue

from supaqueue.contract import NewJob
from supaqueue.cutover.legacy.bullmq import BullBroker
from supaqueue.cutover.legacy.celery_redis import CeleryOnRedis
from supaqueue.cutover.legacy.conformance import LegacyConformance
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.legacy.redis_connection import connect as connect_to
from supaqueue.cutover.legacy.redis_index import RedisIndex
from tests.cutover.celery_app import make_app
from tests.valkey import Valkey


def celery_queue(url: str) -> LegacyQueue:
    """Celery at this server."""
    return LegacyQueue(CeleryOnRedis(make_app(url)), RedisIndex(connect_to(url)))


def bullmq_queue(url: str) -> LegacyQueue:
    """BullMQ at this server."""
    return LegacyQueue(BullBroker(url), RedisIndex(connect_to(url)))


def send_task(url: str, job: NewJob) -> None:
    """Send a task as an application does."""
    make_app(url).send_task(job.task_type, [job.payload], eta=job.run_at)


def add_job(url: str, job: NewJob) -> None:
    """Add a job as an application does."""

    async def add() -> None:
        queue = Queue(job.queue, {"connection": url})
        delay = 0 if job.run_at is None else round((job.run_at - datetime.now(UTC)).total_seconds() * 1000)
        await queue.add(job.task_type, job.payload, {"delay": delay})
        await queue.close()

    asyncio.run(add())


class TestCelery(LegacyConformance):
    @pytest.fixture
    def connect(self, valkey: Valkey) -> Callable[[], LegacyQueue]:
        return partial(celery_queue, valkey.url)

    @pytest.fixture
    def put_unstamped(self, valkey: Valkey) -> Callable[[NewJob], None]:
        return partial(send_task, valkey.url)


class TestBullMQ(LegacyConformance):
    @pytest.fixture
    def connect(self, valkey: Valkey) -> Callable[[], LegacyQueue]:
        return partial(bullmq_queue, valkey.url)

    @pytest.fixture
    def put_unstamped(self, valkey: Valkey) -> Callable[[NewJob], None]:
        return partial(add_job, valkey.url)
