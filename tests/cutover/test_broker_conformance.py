"""Celery and BullMQ with the index in Redis pass the suite that every old queue has to pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

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


class TestCelery(LegacyConformance):
    @pytest.fixture
    def connect(self, valkey: Valkey) -> Callable[[], LegacyQueue]:
        return partial(celery_queue, valkey.url)


class TestBullMQ(LegacyConformance):
    @pytest.fixture
    def connect(self, valkey: Valkey) -> Callable[[], LegacyQueue]:
        return partial(bullmq_queue, valkey.url)
