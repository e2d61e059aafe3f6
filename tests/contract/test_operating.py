"""What operators do, with both clients over every transport: dead letters, pauses, waiting for many."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from supaqueue.contract import ClaimJobTasks, FinishedTask, FinishJobTasks, TaskError
from supaqueue.contract.task import ClaimedTask
from supaqueue.errors import InvalidInput, WaitTimeout
from supaqueue.job_id import new_job_id
from supaqueue.transport import Transport


@pytest.fixture
def dead_letters(queue: Any, make_dead_letters: Callable[[Any], Any]) -> Any:
    return make_dead_letters(queue)


def claim(worker: Transport, queue_name: str) -> tuple[ClaimedTask, ...]:
    return worker.send(ClaimJobTasks(str(uuid4()), "w", (queue_name,), ("bill",), 10, 0, 60.0, {})).tasks


def fail(worker: Transport, queue_name: str, error: str = "ValueError") -> None:
    """Claim what is ready and fail it."""
    ended = [
        FinishedTask(task.ref, "fail", error=TaskError(error, "broken")) for task in claim(worker, queue_name)
    ]
    worker.send(FinishJobTasks("w", tuple(ended)))


def test_dead_letters_are_listed_and_run_again(
    queue: Any, dead_letters: Any, worker: Transport, queue_name: str
) -> None:
    ids = [queue.enqueue("bill", number, queue=queue_name).job_id for number in range(3)]
    began = datetime.now(UTC) - timedelta(minutes=5)
    fail(worker, queue_name)
    found = list(dead_letters.list(queue=queue_name, failed_after=began))
    assert sorted(letter.job_id for letter in found) == sorted(ids)
    assert {(letter.error["type"], letter.attempts, letter.parked) for letter in found} == {
        ("ValueError", 1, False)
    }
    assert list(dead_letters.list(queue=queue_name, error_type="KeyError")) == []
    assert list(dead_letters.list(queue=queue_name, parked=True)) == []
    assert len(list(dead_letters.list(queue=queue_name, limit=2))) == 2
    [one] = dead_letters.list(job_id=ids[0])

    assert [answer.answer for answer in dead_letters.replay([one])] == ["replayed"]
    assert [task.job_id for task in claim(worker, queue_name)] == [ids[0]]
    # Once more, although it runs by now: nothing is done twice.
    assert [answer.answer for answer in dead_letters.replay(found)] == ["replayed"] * 3
    assert sorted(task.job_id for task in claim(worker, queue_name)) == sorted(ids[1:])


def test_rate_spreads_replays_over_time(
    queue: Any, dead_letters: Any, worker: Transport, queue_name: str
) -> None:
    ids = [queue.enqueue("bill", queue=queue_name).job_id for _ in range(4)]
    fail(worker, queue_name)
    letters = sorted(dead_letters.list(queue=queue_name), key=lambda letter: ids.index(letter.job_id))
    dead_letters.replay(letters, per_second=0.1)
    due = [job.tasks[0].run_at for job in queue.get_many(ids)]
    assert [(later - due[0]).total_seconds() for later in due] == pytest.approx([0, 10, 20, 30], abs=0.01)
    with pytest.raises(InvalidInput, match="per_second"):
        dead_letters.replay(letters, per_second=0)


def test_dropped_is_gone_and_cannot_come_back(
    queue: Any, dead_letters: Any, worker: Transport, queue_name: str
) -> None:
    job_id = new_job_id()
    queue.enqueue("bill", queue=queue_name, job_id=job_id)
    fail(worker, queue_name)
    letters = list(dead_letters.list(queue=queue_name))
    for _ in range(2):
        assert [answer.answer for answer in dead_letters.drop(letters)] == ["dropped"]
    assert queue.get(job_id) is None
    [again] = queue.enqueue_many([{"task_type": "bill", "queue": queue_name, "job_id": job_id}])
    assert again.answer == "conflict"


def test_nothing_is_claimed_from_a_paused_queue(queue: Any, worker: Transport, queue_name: str) -> None:
    queue.enqueue("bill", queue=queue_name)
    [paused] = queue.pause(queue_name, reason="repair", by="me")
    assert (paused.queue, paused.paused, paused.paused_until) == (queue_name, True, None)
    assert claim(worker, queue_name) == ()
    [told] = queue.stats(queue_name).paused
    assert (told.reason, told.paused_by) == ("repair", "me")
    [resumed] = queue.resume([queue_name])
    assert (resumed.paused, resumed.reason) == (False, None)
    assert len(claim(worker, queue_name)) == 1


def test_pause_ends_at_its_time(queue: Any, queue_name: str) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    assert queue.pause(queue_name, until=until)[0].paused_until == until
    assert queue.pause([queue_name, "other"], duration=timedelta(minutes=1))[0].paused_until < until
    assert queue.pause(queue_name, until=datetime(2020, 1, 1, tzinfo=UTC))[0].paused is False
    queue.resume("other")
    with pytest.raises(InvalidInput, match="not both"):
        queue.pause(queue_name, until=until, duration=1)


def test_wait_many_answers_in_order_and_once_all_have_ended(
    queue: Any, worker: Transport, queue_name: str
) -> None:
    ids = [queue.enqueue("bill", queue=queue_name).job_id for _ in range(3)]
    with pytest.raises(WaitTimeout, match="3 of 3 jobs"):
        queue.wait_many(ids, timeout=0)
    fail(worker, queue_name)
    assert [(job.job_id, job.status) for job in queue.wait_many([*ids, ids[0]], timeout=30)] == [
        (job_id, "failed") for job_id in [*ids, ids[0]]
    ]
    assert queue.wait_many([]) == []
