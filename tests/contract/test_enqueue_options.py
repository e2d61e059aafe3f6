"""Unique keys and limits of queues, with both clients over every transport."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

import pytest

from supaqueue import Unique
from supaqueue.contract import FinishedTask
from supaqueue.errors import QueueFull
from supaqueue.transport import Transport
from tests.contract.test_queues import claim, finish


def test_the_second_of_a_key_is_read_and_waited_for_as_the_first(
    queue: Any, worker: Transport, queue_name: str
) -> None:
    key = Unique(str(uuid4()), until="finished")
    first = queue.enqueue("bill", 1, queue=queue_name, unique=key)
    second = queue.enqueue("bill", 2, queue=queue_name, unique=key)
    assert (first.answer, first.deduped_into) == ("created", None)
    assert (second.answer, second.deduped_into) == ("deduplicated", first.job_id)
    again = queue.enqueue("bill", 2, queue=queue_name, unique=key, job_id=second.job_id)
    assert again == second
    assert queue.get(second.job_id).job_id == first.job_id
    assert queue.cancel(second.job_id).answer == "deduplicated"
    assert [job.job_id for job in queue.list(queue=queue_name)] == [first.job_id]
    (task,) = claim(worker, queue_name)
    finish(worker, FinishedTask(task.ref, "done", "paid"))
    assert queue.wait(second.job_id, timeout=10).result == "paid"


def test_a_debounced_job_has_the_last_payload_and_time(queue: Any, queue_name: str) -> None:
    key = Unique(str(uuid4()), until="started", on_conflict="push_back")
    first = queue.enqueue("bill", 1, queue=queue_name, unique=key)
    last = queue.enqueue("bill", 2, queue=queue_name, unique=key, delay=100, tags=["late"])
    assert (last.answer, last.deduped_into) == ("pushed_back", first.job_id)
    job = queue.get(first.job_id, with_payload=True)
    assert (job.payload, job.tags) == (2, ("late",))
    assert job.tasks[0].run_at > job.created_at


def test_a_full_queue_raises_and_names_what_is_full(queue: Any, queue_name: str) -> None:
    [told] = queue.limit_waiting(queue_name, 2, on_full="refuse", by="me")
    assert (told.queue, told.waiting_limit, told.on_full, told.changed_by) == (queue_name, 2, "refuse", "me")
    first = queue.enqueue("bill", 1, queue=queue_name)
    with pytest.raises(QueueFull, match="1 of at most 2 jobs wait") as caught:
        queue.enqueue_many([{"task_type": "bill", "queue": queue_name}] * 2)
    error = caught.value
    assert (error.code, error.committed, error.retryable, error.sqlstate) == (
        "QUEUE_FULL",
        "no",
        False,
        "SQ006",
    )
    assert queue_name in str(error)
    assert "queues limit-waiting" in str(error)
    assert queue.enqueue("bill", 1, queue=queue_name, job_id=first.job_id).answer == "exists"
    [lifted] = queue.limit_waiting(queue_name, None)
    assert lifted.waiting_limit is None
    queue.enqueue_many([{"task_type": "bill", "queue": queue_name}] * 2)


def test_a_client_waits_as_a_slow_queue_asks(queue: Any, queue_name: str) -> None:
    queue.limit_waiting(queue_name, 10, on_full="slow")
    queue.enqueue_many([{"task_type": "bill", "queue": queue_name}] * 10)
    began = time.monotonic()
    answer = queue.enqueue("bill", queue=queue_name)
    waited = time.monotonic() - began
    assert answer.answer == "created"
    assert waited >= answer.wait_seconds == 0.1
    began = time.monotonic()
    queue.enqueue_many([{"task_type": "bill", "queue": queue_name}])
    assert time.monotonic() - began >= 0.2
