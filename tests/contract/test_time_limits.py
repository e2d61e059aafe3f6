"""Retries, timeouts, deadlines and progress, on every ground."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from supaqueue.backoff import Backoff
from supaqueue.contract import (
    EnqueueJobs,
    FinishedTask,
    FinishJobTasks,
    HeartbeatJobTasks,
    NewJob,
    Progress,
    SetTaskTypes,
    TaskError,
    TaskTypeOptions,
)
from tests.contract.site import Site, ids

ERROR = TaskError("Odd", "text")


def retry_delays(site: Site, count: int, **options: Any) -> list[float]:
    """The seconds that the retries of a new job wait."""
    (job,) = site.enqueue(max_attempts=count + 1, **options)
    delays = []
    for _ in range(count):
        (task,) = site.claim()
        call = FinishJobTasks("w", (FinishedTask(task.ref, "retry", error=ERROR),))
        (answer,) = site.transport.send(call)
        delays.append(answer.retry_in_seconds)
        assert site.task(job).status == "pending"
        site.ground.advance(10_000)
    return delays


def test_retries_grow_up_to_a_cap(site: Site) -> None:
    backoff = Backoff(delay=10, factor=3, max_delay=200, jitter=False)
    assert retry_delays(site, 5, backoff=backoff) == pytest.approx([10, 30, 90, 200, 200], abs=2)


def test_a_fixed_delay_stays(site: Site) -> None:
    assert retry_delays(site, 3, backoff=timedelta(seconds=100)) == pytest.approx([100] * 3, abs=2)


def test_jitter_is_full(site: Site) -> None:
    backoff = Backoff(delay=1000, factor=1, jitter=True)
    delays = retry_delays(site, 30, backoff=backoff)
    assert all(0 <= delay <= 1000 for delay in delays)
    # 30 draws on one side of the middle have a chance of 2e-9.
    assert min(delays) < 500 < max(delays)


def test_a_type_decides_what_a_job_leaves_open(site: Site) -> None:
    task_type = f"type of {site.queue}"
    options = TaskTypeOptions(task_type, 3, Backoff(7, 1, 7, False), 60.0, 600.0)
    call = SetTaskTypes((options, TaskTypeOptions(f"{task_type} 2")), "me")
    for _ in range(2):
        assert [answer.answer for answer in site.transport.send(call)] == ["set", "set"]
    plain = NewJob(task_type, queue=site.queue)
    own = NewJob(task_type, queue=site.queue, max_attempts=9, timeout=1)
    site.transport.send(EnqueueJobs((plain, own)))
    task = site.task(plain.job_id)
    assert (task.max_attempts, task.timeout_seconds) == (3, 60)
    assert task.deadline_at == task.run_at + timedelta(minutes=10)
    task = site.task(own.job_id)
    assert (task.max_attempts, task.timeout_seconds) == (9, 1)
    site.transport.send(SetTaskTypes((TaskTypeOptions(task_type),)))
    site.transport.send(call)
    (late,) = (NewJob(task_type, queue=site.queue),)
    site.transport.send(EnqueueJobs((late,)))
    assert (site.task(late.job_id).max_attempts, site.task(late.job_id).deadline_at) == (5, None)


def test_a_claim_tells_the_limits(site: Site) -> None:
    site.enqueue(timeout=30, deadline=300)
    (task,) = site.claim()
    assert task.timeout_seconds == 30
    assert task.deadline_in_seconds == pytest.approx(300, abs=5)
    site.enqueue()
    (task,) = site.claim()
    assert (task.timeout_seconds, task.deadline_in_seconds) == (None, None)


def test_no_heartbeat_renews_a_lease_for_long_after_the_timeout(site: Site) -> None:
    (job,) = site.enqueue(timeout=30, max_attempts=1)
    (task,) = site.claim()
    assert site.heartbeat(task, starting=True) == ["held"]
    site.ground.advance(40)
    assert site.heartbeat(task) == ["held"]
    site.claim(0)
    assert site.status(job) == "processing"
    site.ground.advance(6)
    site.claim(0)
    (failed,) = site.last.failed
    assert (failed.job_id, failed.error_type) == (job, "TimedOut")
    assert site.task(job).error == {
        "type": "TimedOut",
        "message": "worker w did not end it after its timeout of 00:00:30",
    }


def test_what_waits_past_its_deadline_fails(site: Site) -> None:
    (job,) = site.enqueue(deadline=60)
    (other,) = site.enqueue()
    site.ground.advance(61)
    assert ids(site.claim()) == [other]
    (failed,) = site.last.failed
    assert (failed.job_id, failed.attempt, failed.error_type) == (job, 0, "DeadlineExceeded")
    assert (site.status(job), site.task(job).history) == ("failed", ())
    task = site.task(job)
    assert task.deadline_at is not None
    text = f"no attempt may begin after its deadline, {task.deadline_at:%Y-%m-%dT%H:%M:%SZ}"
    assert task.error == {"type": "DeadlineExceeded", "message": text}


def test_a_worker_that_is_stuck_loses_the_task_at_its_deadline(site: Site) -> None:
    (job,) = site.enqueue(deadline=60)
    (task,) = site.claim()
    site.heartbeat(task, starting=True)
    site.ground.advance(76)
    site.claim(0)
    error = {"type": "TimedOut", "message": "worker w did not end it at its deadline"}
    assert site.task(job).history[0].error == error
    assert site.status(job) == "failed"


def test_no_retry_is_made_after_the_deadline(site: Site) -> None:
    (job,) = site.enqueue(deadline=60)
    (task,) = site.claim()
    assert site.finish(task, "retry", error=ERROR, after_seconds=59.0 - 20) == ("recorded", "pending")
    site.ground.advance(40)
    (task,) = site.claim()
    assert site.finish(task, "retry", error=ERROR, after_seconds=30.0) == ("recorded", "failed")
    error = site.task(job).error
    assert isinstance(error, dict)
    assert error["type"] == "DeadlineExceeded"
    assert str(error["message"]).endswith("; the last one ended with Odd: text")
    assert [attempt.error for attempt in site.task(job).history] == [{"type": "Odd", "message": "text"}] * 2


def test_work_done_after_the_deadline_counts(site: Site) -> None:
    (job,) = site.enqueue(deadline=60)
    (task,) = site.claim()
    site.ground.advance(100)
    assert site.finish(task) == ("recorded", "completed")
    assert site.status(job) == "completed"


def beat(site: Site, task: Any, progress: Progress, worker: str = "w") -> str:
    call = HeartbeatJobTasks(worker, (task.ref,), (), 60.0, {task.ref: progress})
    (answer,) = site.transport.send(call)
    return str(answer.answer)


def test_the_latest_progress_counts_and_a_checkpoint_outlives_the_attempt(site: Site) -> None:
    (job,) = site.enqueue()
    (task,) = site.claim()
    assert task.checkpoint is None
    assert beat(site, task, Progress(2, 50.0, "half", {"line": 5})) == "held"
    assert beat(site, task, Progress(1, 10.0, "late", {"line": 1})) == "held"
    assert beat(site, task, Progress(9, 99.0), worker="other") == "lost"
    found = site.task(job)
    assert (found.progress_percent, found.progress_message, found.checkpoint) == (50, "half", {"line": 5})
    assert beat(site, task, Progress(3, 75.0)) == "held"
    found = site.task(job)
    assert (found.progress_percent, found.progress_message, found.checkpoint) == (75, "half", {"line": 5})
    site.finish(task, "retry", after_seconds=0.0, progress=Progress(4, checkpoint=None, message=None))
    (task,) = site.claim()
    assert (task.checkpoint, site.task(job).progress_message) == (None, None)
    assert beat(site, task, Progress(1, checkpoint=[7])) == "held"
    site.lose(task)
    (task,) = site.claim()
    assert task.checkpoint == [7]


def test_the_last_twenty_leases_are_kept(site: Site) -> None:
    (job,) = site.enqueue()
    (first,) = site.claim()
    site.finish(first, "snooze")
    for _ in range(20):
        (task,) = site.claim()
        site.finish(task, "snooze")
    assert len(site.task(job).history) == 20
    assert site.finish(task, "snooze") == ("recorded", "pending")
    assert site.finish(first, "snooze") == ("lost", None)
