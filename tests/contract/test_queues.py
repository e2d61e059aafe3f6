"""Both clients, over every transport."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel

from supaqueue.contract import ClaimJobTasks, FinishedTask, FinishJobTasks, NewJob, RegisterWorker, TaskError
from supaqueue.contract.task import ClaimedTask
from supaqueue.errors import CallRefused, JobConflict, JobNotFound, WaitTimeout
from supaqueue.job_id import new_job_id
from supaqueue.transport import Transport
from tests.contract.grounds import Ground


class Invoice(BaseModel):
    number: int
    due: datetime


def claim(worker: Transport, queue_name: str, want: int = 10) -> tuple[ClaimedTask, ...]:
    call = ClaimJobTasks(str(uuid4()), "w", (queue_name,), ("bill",), want, 0, 60.0, {})
    return worker.send(call).tasks


def finish(worker: Transport, *tasks: FinishedTask) -> None:
    answers = worker.send(FinishJobTasks("w", tasks))
    assert all(answer.answer == "recorded" for answer in answers)


def test_from_enqueue_to_result(queue: Any, worker: Transport, queue_name: str) -> None:
    invoice = Invoice(number=7, due=datetime(2026, 1, 2, tzinfo=UTC))
    job_id = queue.enqueue("bill", invoice, queue=queue_name, tags=["eu"]).job_id
    waiting = queue.get(job_id, with_payload=True)
    assert (waiting.status, waiting.queue, waiting.task_type, waiting.tags) == (
        "pending",
        queue_name,
        "bill",
        ("eu",),
    )
    assert waiting.payload == {"number": 7, "due": "2026-01-02T00:00:00Z"}
    assert queue.get(job_id).payload is None

    (task,) = claim(worker, queue_name)
    assert Invoice.model_validate(task.payload) == invoice
    assert queue.get(job_id).status == "processing"
    finish(worker, FinishedTask(task.ref, "done", task.payload))

    done = queue.wait(job_id, timeout=10)
    assert done.status == "completed"
    assert done.result_as(Invoice) == invoice
    history = queue.get(job_id, with_attempts=True).tasks[0].history
    assert [(attempt.outcome, attempt.attempt) for attempt in history] == [("done", 1)]


def test_a_repeat_is_one_job_and_other_content_a_conflict(queue: Any, queue_name: str) -> None:
    options = {"queue": queue_name, "idempotency_key": uuid4().hex, "delay": timedelta(days=1)}
    first = queue.enqueue("bill", {"n": 1}, **options)
    again = queue.enqueue("bill", {"n": 1}, **options)
    assert (first.answer, again.answer) == ("created", "exists")
    assert first.job_id == again.job_id
    for changed in ({"payload": {"n": 2}}, {"payload": {"n": 1}, "max_attempts": 2}):
        with pytest.raises(JobConflict):
            queue.enqueue("bill", **changed, **options)
    assert queue.get(first.job_id, with_payload=True).payload == {"n": 1}


def test_options_reach_the_task(queue: Any, worker: Transport, queue_name: str) -> None:
    run_at = datetime.now(UTC) + timedelta(hours=1)
    later = queue.enqueue("bill", queue=queue_name, run_at=run_at, max_attempts=7)
    assert queue.get(later.job_id).tasks[0].run_at == run_at
    assert queue.get(later.job_id).tasks[0].max_attempts == 7
    assert claim(worker, queue_name) == ()

    soon = queue.enqueue("bill", queue=queue_name, backoff=timedelta(hours=1))
    (task,) = claim(worker, queue_name)
    finish(worker, FinishedTask(task.ref, "retry", error=TaskError("Odd", "text")))
    retried = queue.get(soon.job_id)
    assert (retried.status, retried.error) == ("pending", {"type": "Odd", "message": "text"})
    assert claim(worker, queue_name) == ()


def test_many_at_once_are_answered_row_by_row(queue: Any, queue_name: str) -> None:
    jobs = [NewJob("bill", index, queue=queue_name) for index in range(1200)]
    taken = NewJob("bill", "other", queue=queue_name, job_id=jobs[0].job_id)
    answers = queue.enqueue_many([*jobs, jobs[1], taken])
    assert [answer.answer for answer in answers] == ["created"] * 1200 + ["exists", "conflict"]
    assert [answer.job_id for answer in answers[:1200]] == [job.job_id for job in jobs]
    assert {answer.answer for answer in queue.enqueue_many(jobs)} == {"exists"}
    found = queue.get_many([job.job_id for job in jobs] + [new_job_id()], with_payload=True)
    assert [job and job.payload for job in found] == [*range(1200), None]


def test_jobs_from_mappings(queue: Any, queue_name: str) -> None:
    (answer,) = queue.enqueue_many([{"task_type": "bill", "payload": [1], "queue": queue_name}])
    assert queue.get(answer.job_id, with_payload=True).payload == [1]


def test_listing_walks_all_pages_newest_first(queue: Any, ground: Ground, queue_name: str) -> None:
    jobs = [NewJob("bill", queue=queue_name, tags=[f"parity-{index % 2}"]) for index in range(450)]
    for start in range(0, 450, 150):
        queue.enqueue_many(jobs[start : start + 150])
        ground.advance(1)
    listed = list(queue.list(queue=queue_name))
    assert {job.job_id for job in listed} == {job.job_id for job in jobs}
    assert len(listed) == 450
    times = [(job.created_at, job.job_id) for job in listed]
    assert times == sorted(times, reverse=True)

    assert len(list(queue.list(queue=queue_name, limit=201))) == 201
    assert len(list(queue.list(queue=queue_name, tag="parity-1", status="pending"))) == 225
    assert list(queue.list(queue=queue_name, status="failed")) == []
    assert list(queue.list(queue=queue_name, task_type="other")) == []
    newest, oldest = listed[0].created_at, listed[-1].created_at
    before = list(queue.list(queue=queue_name, created_after=oldest, created_before=newest))
    assert {job.job_id for job in before} == {job.job_id for job in jobs[:300]}


def test_cancelling(queue: Any, worker: Transport, queue_name: str) -> None:
    running, ended, waiting = (queue.enqueue("bill", queue=queue_name).job_id for _ in range(3))
    tasks = {task.job_id: task for task in claim(worker, queue_name, want=2)}
    finish(worker, FinishedTask(tasks[ended].ref, "done"))
    ids = [waiting, running, ended, new_job_id()]
    answers = [answer.answer for answer in queue.cancel_many(ids)]
    assert answers == ["cancelled", "requested", "finished", "unknown"]
    assert queue.cancel(waiting).answer == "cancelled"
    assert queue.wait(waiting, timeout=0).status == "cancelled"
    assert queue.get(running).cancel_requested


def test_abandoning(queue: Any, worker: Transport, queue_name: str) -> None:
    started = queue.enqueue("bill", queue=queue_name).job_id
    claim(worker, queue_name)
    waiting = queue.enqueue("bill", queue=queue_name).job_id
    never_came = new_job_id()
    for _ in range(2):
        answers = queue.abandon([started, waiting, never_came])
        assert [answer.answer for answer in answers] == ["started", "cancelled", "abandoned"]
    with pytest.raises(JobConflict, match="abandoned"):
        queue.enqueue("bill", queue=queue_name, job_id=never_came)
    assert queue.get(never_came) is None


def test_waiting_in_vain(queue: Any, queue_name: str) -> None:
    job_id = queue.enqueue("bill", queue=queue_name).job_id
    with pytest.raises(WaitTimeout, match="pending"):
        queue.wait(job_id, timeout=0.2)
    with pytest.raises(JobNotFound):
        queue.wait(new_job_id(), timeout=10)


def test_stats(queue: Any, worker: Transport, queue_name: str) -> None:
    queue.enqueue_many(NewJob("bill", queue=queue_name) for _ in range(3))
    queue.enqueue("other", queue=queue_name)
    (task,) = claim(worker, queue_name, want=1)
    finish(worker, FinishedTask(task.ref, "fail", error=TaskError("Odd", "text")))
    worker_id = uuid4().hex
    worker.send(RegisterWorker(worker_id, (queue_name,), ("bill",), 4, "host", 7, "0.1"))

    stats = queue.stats(queue_name)
    assert {(count.task_type, count.status): count.tasks for count in stats.counts} == {
        ("bill", "failed"): 1,
        ("bill", "pending"): 2,
        ("other", "pending"): 1,
    }
    assert [seen.queues for seen in stats.workers if seen.worker_id == worker_id] == [(queue_name,)]
    assert [(row.task_type, row.tasks) for row in stats.unserved] == [("other", 1)]
    assert queue_name in {count.queue for count in queue.stats().counts}


def test_the_last_moment_that_python_has(queue: Any, queue_name: str) -> None:
    run_at = datetime.max.replace(tzinfo=UTC)
    job = queue.enqueue("bill", queue=queue_name, run_at=run_at)
    assert queue.get(job.job_id).tasks[0].run_at == run_at


def test_refusals_carry_the_call(queue: Any, queue_name: str) -> None:
    refused = NewJob("bill", queue=queue_name)
    object.__setattr__(refused, "max_attempts", 5000)
    with pytest.raises(CallRefused, match=r"jobs\[0\]\.max_attempts") as raised:
        queue.enqueue_many([refused])
    assert (raised.value.call, raised.value.committed) == ("enqueue_jobs_v1", "no")
    assert raised.value.job_id == refused.job_id
