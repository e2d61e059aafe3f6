"""What was enqueued, and what an assertion says that does not hold."""

from __future__ import annotations

from unittest.mock import ANY as MOCK_ANY

import pytest
from pydantic import BaseModel

from supaqueue import Queue
from supaqueue.testing import MemoryDatabase, assert_enqueued, assert_not_enqueued, enqueued


class Order(BaseModel):
    number: int


@pytest.fixture
def queue(supaqueue_queue: Queue) -> Queue:
    supaqueue_queue.enqueue("bill", Order(number=7), queue="bills")
    supaqueue_queue.enqueue("bill", {"number": 8, "at": "noon"})
    supaqueue_queue.enqueue("greet")
    return supaqueue_queue


def test_jobs_match_by_type_queue_and_payload(queue: Queue, supaqueue_database: MemoryDatabase) -> None:
    assert [job.payload for job in enqueued(queue)] == [{"number": 7}, {"number": 8, "at": "noon"}, None]
    assert len(enqueued(supaqueue_database, "bill")) == 2
    for matching in (
        enqueued(queue, payload=Order(number=7)),
        enqueued(queue, "bill", queue="bills"),
        enqueued(queue, queue="default", payload={"number": 8, "at": MOCK_ANY}),
        enqueued(queue, payload=None),
    ):
        assert len(matching) == 1
    assert enqueued(queue, "bill", payload=None) == []


def test_what_holds_returns_the_jobs(queue: Queue) -> None:
    assert [job.queue for job in assert_enqueued(queue, "bill")] == ["bills", "default"]
    assert_enqueued(queue, "bill", count=2)
    assert_enqueued(queue, "other", count=0)
    assert_not_enqueued(queue, "bill", payload={"number": 9})


def test_what_does_not_hold_lists_what_is_there(queue: Queue) -> None:
    with pytest.raises(AssertionError) as raised:
        assert_enqueued(queue, "bill", payload={"number": 9}, queue="bills")
    text = str(raised.value)
    assert text.startswith(
        "expected at least 1 job of type 'bill' in queue 'bills' with payload {'number': 9}, found 0."
    )
    for job in enqueued(queue):
        assert f"  {job.task_type} {job.job_id} in {job.queue!r}, pending: {job.payload!r}" in text
    with pytest.raises(AssertionError, match="expected 1 job of type 'bill', found 2"):
        assert_enqueued(queue, "bill", count=1)
    with pytest.raises(AssertionError, match="expected 0 jobs of type 'greet', found 1"):
        assert_not_enqueued(queue, "greet")


def test_long_payloads_are_cut_and_nothing_is_said_to_be_nothing(supaqueue_queue: Queue) -> None:
    with pytest.raises(AssertionError, match="Nothing was enqueued"):
        assert_enqueued(supaqueue_queue)
    supaqueue_queue.enqueue("long", "x" * 1000)
    with pytest.raises(AssertionError) as raised:
        assert_enqueued(supaqueue_queue, "other")
    assert len(str(raised.value)) < 500


def test_ended_jobs_count_too(queue: Queue) -> None:
    (job, *_) = enqueued(queue)
    queue.cancel(job.job_id)
    assert assert_enqueued(queue, queue="bills")[0].status == "cancelled"
