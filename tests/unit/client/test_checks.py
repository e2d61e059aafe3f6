"""A client that knows the handlers refuses payloads that they would not take, before anything is sent."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from supaqueue.client import Queue
from supaqueue.contract import CountJobs, EnqueueJobs, NewJob, Stats, TaskCount
from supaqueue.errors import PayloadMismatch
from supaqueue.job import TaskStatus
from supaqueue.telemetry import Event, Telemetry
from supaqueue.telemetry.events import QueueDepth
from supaqueue.worker import Registry
from tests.unit.client.test_queue import Answering, store

registry = Registry()


class Invoice(BaseModel):
    model_config = ConfigDict(strict=True)
    number: int
    due: date


@registry.task("send_invoice")
def send_invoice(invoice: Invoice) -> None:
    raise AssertionError("enqueuing runs nothing")


def test_payload_that_does_not_fit_its_model_is_not_sent() -> None:
    transport = Answering(store)
    queue = Queue(transport=transport, registry=registry)
    with pytest.raises(PayloadMismatch, match=r"payload\.number: int_type") as refused:
        queue.enqueue("send_invoice", {"number": "secret", "due": "2030-01-31"})
    assert "secret" not in str(refused.value)
    fitting = NewJob("send_invoice", {"number": 1, "due": "2030-01-31"})
    with pytest.raises(PayloadMismatch) as refused:
        queue.enqueue_many([fitting, NewJob("send_invoice", {"number": 1})])
    assert refused.value.field == "jobs[1].payload"
    assert transport.calls == []


def test_payload_that_fits_and_types_of_others_are_sent() -> None:
    transport = Answering(store)
    queue = Queue(transport=transport, registry=registry)
    queue.enqueue("send_invoice", Invoice(number=1, due=date(2030, 1, 31)))
    queue.enqueue("of_another_service", "anything")
    assert [type(call) for call in transport.calls] == [EnqueueJobs, EnqueueJobs]


def test_stats_tell_telemetry_how_deep_each_queue_is() -> None:
    def count(queue: str, status: TaskStatus, tasks: int) -> TaskCount:
        return TaskCount(queue, "type", status, tasks, None)

    def answer(call: Any) -> Stats:
        assert isinstance(call, CountJobs)
        counts = [count("a", "pending", 3), count("a", "claimed", 1), count("a", "processing", 2)]
        return Stats((*counts, count("b", "failed", 4), count("b", "completed", 9)), (), ())

    heard: list[Event] = []
    Queue(transport=Answering(answer), telemetry=Telemetry([heard.append])).stats()
    assert heard == [
        QueueDepth(queue="a", pending=3, processing=3, failed=0),
        QueueDepth(queue="b", pending=0, processing=0, failed=4),
    ]
