"""What workers and producers may rely on, call by call, on every ground; time is moved, not waited for."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from supaqueue.contract import (
    AbandonJobs,
    CancelJobs,
    ContractVersion,
    CountJobs,
    EnqueueJobs,
    FinishedTask,
    FinishJobTasks,
    GetJobs,
    JobFilter,
    ListJobs,
    NewJob,
    SpokenVersions,
    TaskError,
    TaskRef,
)
from supaqueue.job_id import new_job_id
from tests.contract.site import Site, ids

ERROR = TaskError("Odd", "text")


def test_the_version_is_spoken(transport: Any) -> None:
    assert transport.send(ContractVersion()) == SpokenVersions(1, 1)


def test_a_claim_is_in_order_and_leases_once(site: Site) -> None:
    first = site.enqueue(3)
    second = site.enqueue(2)
    assert ids(site.claim(2)) == first[:2]
    assert site.last.more
    assert ids(site.claim(5)) == [first[2], *second]
    assert (site.claim(), site.last.more, site.last.wait_seconds) == ((), False, None)


def test_a_claim_takes_what_is_served_only(site: Site) -> None:
    site.enqueue(2)
    assert site.claim(task_types=("other",)) == ()
    assert site.claim(queues=(f"{site.queue}-other",)) == ()
    (task, _) = site.claim()
    assert (task.task_type, task.payload, task.attempt, task.max_attempts) == ("work", 0, 1, 5)


def test_a_repeated_claim_is_answered_with_what_is_still_held(site: Site) -> None:
    site.enqueue(3)
    request = str(uuid4())
    tasks = site.claim(2, request_id=request)
    assert site.claim(2, request_id=request) == tasks
    site.finish(tasks[0])
    assert site.claim(2, request_id=request, marks={"kept": 1}) == tasks[1:]
    assert site.last.marks == {"kept": 1}
    assert site.claim(2, request_id=request, worker="other") == ()
    assert len(site.claim()) == 1


def test_what_is_due_later_is_claimed_then(site: Site) -> None:
    (later,) = site.enqueue(delay=100)
    assert site.claim() == ()
    assert site.last.wait_seconds == pytest.approx(100, abs=30)
    site.ground.advance(99 - 30)
    assert site.claim() == ()
    site.ground.advance(31)
    assert ids(site.claim()) == [later]


def test_a_start_is_reported_with_a_claim_or_a_heartbeat(site: Site) -> None:
    jobs = site.enqueue(2)
    first, second = site.claim()
    site.claim(0, started=(first.ref,))
    assert site.heartbeat(second, starting=True) == ["held"]
    for job in jobs:
        assert site.task(job).status == "processing"
        assert site.task(job).started_at


def test_every_outcome(site: Site) -> None:
    jobs = site.enqueue(6)
    done, retried, snoozed, cancelled, failed, returned = site.claim()
    assert site.finish(done, result={"a": [1, None]}) == ("recorded", "completed")
    assert site.finish(retried, "retry", error=ERROR, after_seconds=50.0) == ("recorded", "pending")
    assert site.finish(snoozed, "snooze", after_seconds=50.0) == ("recorded", "pending")
    assert site.finish(cancelled, "cancel", error=ERROR) == ("recorded", "cancelled")
    assert site.finish(failed, "fail", error=ERROR) == ("recorded", "failed")
    assert site.finish(returned, "not_started") == ("recorded", "pending")
    assert [site.task(job).attempts for job in jobs] == [1, 1, 0, 1, 1, 0]
    assert [site.status(job) for job in jobs] == [
        "completed", "pending", "pending", "cancelled", "failed", "pending",
    ]  # fmt: skip
    assert site.task(jobs[0]).result == {"a": [1, None]}
    assert site.task(jobs[4]).error == {"type": "Odd", "message": "text"}
    assert ids(site.claim()) == [jobs[5]]
    site.ground.advance(51)
    assert sorted(ids(site.claim())) == sorted(jobs[1:3])


def test_a_finish_is_repeatable_and_answered_as_the_first_was(site: Site) -> None:
    (job,) = site.enqueue()
    (task,) = site.claim()
    for outcome in ("retry", "retry", "done", "fail"):
        assert site.finish(task, outcome, after_seconds=0.0) == ("recorded", "pending")
    (again,) = site.claim()
    assert (again.attempt, again.lease_token > task.lease_token) == (2, True)
    # The same worker holds the task under another lease: the old one changes nothing of it.
    assert site.finish(task, "fail") == ("recorded", "pending")
    assert site.heartbeat(task, starting=True) == ["lost"]
    assert site.task(job).status == "claimed"
    assert site.finish(again) == ("recorded", "completed")
    assert site.finish(task, "fail") == ("recorded", "pending")
    assert (site.status(job), len(site.task(job).history)) == ("completed", 2)


def test_a_finish_is_fenced(site: Site) -> None:
    (job,) = site.enqueue()
    (task,) = site.claim()
    assert site.finish(task, worker="other") == ("lost", None)
    site.lose(task)
    assert site.finish(task) == ("lost", None)
    (again,) = site.claim(worker="other")
    assert site.finish(task) == ("lost", None)
    assert site.finish(again, "not_started", worker="other") == ("recorded", "pending")
    assert site.status(job) == "pending"
    unknown = FinishJobTasks("w", (FinishedTask(TaskRef(new_job_id(), 0, 1), "done"),))
    assert site.transport.send(unknown)[0].answer == "unknown"


def test_finished_work_that_nobody_took_over_is_accepted(site: Site) -> None:
    (job,) = site.enqueue()
    (task,) = site.claim()
    site.ground.advance(1000)
    assert site.finish(task) == ("recorded", "completed")
    assert site.status(job) == "completed"


def test_a_heartbeat_renews_and_is_fenced(site: Site) -> None:
    site.enqueue()
    (task,) = site.claim()
    site.ground.advance(50)
    assert site.heartbeat(task, worker="other") == ["lost"]
    assert site.heartbeat(task) == ["held"]
    site.ground.advance(50)
    assert site.claim(0) == ()
    assert site.heartbeat(task) == ["held"]
    site.lose(task)
    assert site.heartbeat(task) == ["lost"]


def test_attempts_are_spent_by_retries_and_by_leases_lost_in_a_handler(site: Site) -> None:
    (job,) = site.enqueue(max_attempts=2)
    (task,) = site.claim()
    site.lose(task)
    assert (site.task(job).attempts, site.task(job).lost_leases) == (0, 1)
    (task,) = site.claim()
    site.heartbeat(task, starting=True)
    site.lose(task)
    assert (site.task(job).attempts, site.task(job).lost_leases) == (1, 2)
    (task,) = site.claim()
    assert site.finish(task, "retry", error=ERROR) == ("recorded", "failed")
    history = site.task(job).history
    assert [(each.outcome, each.attempt, each.status_after) for each in history] == [
        ("lease_lost", None, "pending"),
        ("lease_lost", 1, "pending"),
        ("retry", 2, "failed"),
    ]


def test_a_rescue_says_what_it_was_the_end_of(site: Site) -> None:
    (job,) = site.enqueue(max_attempts=1)
    (task,) = site.claim()
    site.heartbeat(task, starting=True)
    site.ground.advance(61)
    assert site.claim() == ()
    (failed,) = site.last.failed
    assert (failed.job_id, failed.attempt, site.status(job)) == (job, 1, "failed")
    assert site.task(job).error == {"type": "LeaseLost", "message": "worker w stopped renewing its lease"}


def test_five_lost_leases_are_forgiven(site: Site) -> None:
    (job,) = site.enqueue(max_attempts=100)
    for lost in range(1, 7):
        (task,) = site.claim()
        site.lose(task)
        assert site.task(job).lost_leases == lost
        assert site.status(job) == ("failed" if lost == 6 else "pending")


def suspect(site: Site) -> str:
    """A task that waits and has lost two leases."""
    (job,) = site.enqueue()
    for _ in range(2):
        (task,) = site.claim()
        site.lose(task)
    return job


def test_what_lost_two_leases_is_claimed_alone(site: Site) -> None:
    lone = suspect(site)
    others = site.enqueue(2)
    assert (ids(site.claim(holding=1)), site.last.alone) == (others, False)
    assert (site.claim(0), site.last.alone) == ((), False)
    request = str(uuid4())
    assert (ids(site.claim(request_id=request)), site.last.alone) == ([lone], True)
    assert (ids(site.claim(request_id=request)), site.last.alone) == ([lone], True)


def test_one_worker_drains_for_it_after_a_while(site: Site) -> None:
    suspect(site)
    for seconds, draining in ((0, 0), (31, 1)):
        site.ground.advance(seconds)
        for worker in ("a", "b", "c"):
            site.register(worker)
        drains = []
        for worker in ("a", "b", "c"):
            site.claim(0, worker=worker, holding=1)
            drains.append(site.last.drain)
        assert drains.count(True) == draining


def test_a_large_answer_comes_in_parts(site: Site) -> None:
    jobs = tuple(NewJob("work", "x" * 1_000_000, queue=site.queue) for _ in range(6))
    site.transport.send(EnqueueJobs(jobs[:3]))
    site.transport.send(EnqueueJobs(jobs[3:]))
    assert (len(site.claim()), site.last.more) == (5, True)
    assert len(site.claim()) == 1


def test_cancelling(site: Site) -> None:
    running, done, waiting = site.enqueue(3)
    first, second = site.claim(2)
    site.finish(second)
    call = CancelJobs((waiting, running, done, new_job_id()))
    for _ in range(2):
        answers = [answer.answer for answer in site.transport.send(call)]
        assert answers == ["cancelled", "requested", "finished", "unknown"]
    assert site.heartbeat(first) == ["cancel"]
    assert site.finish(first, "retry") == ("recorded", "cancelled")
    assert [site.status(job) for job in (running, done, waiting)] == ["cancelled", "completed", "cancelled"]
    assert site.claim() == ()


def test_work_done_before_the_cancel_was_heard_counts(site: Site) -> None:
    (job,) = site.enqueue()
    (task,) = site.claim()
    site.transport.send(CancelJobs((job,)))
    assert site.finish(task, result=7) == ("recorded", "completed")


def test_abandoning(site: Site) -> None:
    held, returned, waiting = site.enqueue(3)
    never = NewJob("work", queue=site.queue)
    tasks = site.claim(2)
    site.finish(tasks[1], "not_started")
    call = AbandonJobs((held, returned, waiting, never.job_id))
    for _ in range(2):
        answers = [answer.answer for answer in site.transport.send(call)]
        assert answers == ["started", "cancelled", "cancelled", "abandoned"]
    assert site.transport.send(EnqueueJobs((never,)))[0].answer == "conflict"
    assert site.transport.send(GetJobs((never.job_id,))) == (None,)
    assert site.claim() == ()


def test_an_id_is_one_job(site: Site) -> None:
    job = NewJob("work", {"n": 1, "m": [1.5, None]}, queue=site.queue)
    other = NewJob("work", {"n": 2}, queue=site.queue, job_id=job.job_id)
    call = EnqueueJobs((job, other, job))
    assert [answer.answer for answer in site.transport.send(call)] == ["created", "conflict", "exists"]
    assert [answer.answer for answer in site.transport.send(call)] == ["exists", "conflict", "exists"]
    assert site.task(job.job_id).payload == {"n": 1, "m": [1.5, None]}
    assert len(site.claim()) == 1


def test_pages_end(site: Site) -> None:
    jobs = [site.enqueue()[0] for _ in range(4)]
    seen: list[str] = []
    page: str | None = None
    for size in (2, 2, 2):
        got = site.transport.send(ListJobs(JobFilter(queue=site.queue), page, size))
        seen += [job.job_id for job in got.jobs]
        page = got.next_page
    assert (seen, page) == (jobs[::-1], None)


def test_counts_and_workers(site: Site) -> None:
    site.enqueue(2)
    site.enqueue(delay=100)
    (task, _) = site.claim(2)
    site.finish(task)
    site.ground.advance(101)
    site.register("alive")
    site.register("gone")
    site.ground.advance(119)
    site.register("gone", stopped=True)
    stats = site.transport.send(CountJobs((site.queue,)))
    assert {count.status: count.tasks for count in stats.counts} == {
        "claimed": 1, "completed": 1, "pending": 1,
    }  # fmt: skip
    (waiting,) = (count for count in stats.counts if count.status == "pending")
    assert waiting.oldest_waiting_seconds == pytest.approx(120, abs=30)
    assert [seen.worker_id for seen in stats.workers if site.queue in seen.queues] == ["alive"]
    assert [row for row in stats.unserved if row.queue == site.queue] == []
    site.ground.advance(31)
    (unserved,) = site.transport.send(CountJobs((site.queue,))).unserved
    assert (unserved.task_type, unserved.tasks) == ("work", 1)
