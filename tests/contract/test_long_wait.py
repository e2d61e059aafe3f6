"""How often a wait asks."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from supaqueue.client import Queue
from supaqueue.contract import GetJobs
from supaqueue.devstack import Stack
from supaqueue.settings import Settings
from supaqueue.worker import Registry
from tests.faults.proxy import FaultProxy
from tests.worker.running import OwnQueue


@pytest.mark.slow
def test_wait_for_a_job_of_sixty_seconds_makes_at_most_twenty_requests(stack18: Stack) -> None:
    registry = Registry()

    @registry.task("minute")
    def minute() -> str:
        threading.Event().wait(60)
        return "done"

    settings = Settings(url=stack18.url, service_role_key=stack18.service_role_key)
    with FaultProxy(stack18.url) as proxy, Queue(settings) as client:
        queue = OwnQueue(settings, client)
        through_proxy = Settings(url=proxy.url, service_role_key=stack18.service_role_key)
        with queue.worker(registry), Queue(through_proxy) as waiting:
            job = waiting.wait(queue.enqueue("minute"), timeout=120)
        seen: Counter[str] = proxy.seen
    assert job.result == "done"
    assert 0 < seen[GetJobs.function] <= 20
