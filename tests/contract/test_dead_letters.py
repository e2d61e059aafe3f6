"""Dead letters and pauses, on every ground."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from supaqueue.contract import (
    CancelJobs,
    CountJobs,
    DeadLetterFilter,
    DropDeadLetters,
    EnqueueJobs,
    GetJobs,
    ListDeadLetters,
    NewJob,
    PauseQueues,
    Replay,
    ReplayJobTasks,
    ResumeQueues,
    TaskError,
    TaskRef,
)
from supaqueue.job_id import new_job_id
from tests.contract.site import Site, ids


def failed(
    site: Site, count: int = 1, outcome: Any = "fail", error: str = "Odd", **options: Any
) -> list[TaskRef]:
    """Leases under which new jobs failed."""
    site.enqueue(count, **options)
    tasks = site.claim(count)
    for task in tasks:
        assert site.finish(task, outcome, error=TaskError(error, "text")) == ("recorded", "failed")
    return [task.ref for task in tasks]


def listed(site: Site, **filter: Any) -> list[TaskRef]:
    found: list[TaskRef] = []
    page: str | None = None
    for _ in range(100):
        got = site.transport.send(ListDeadLetters(DeadLetterFilter(queue=site.queue, **filter), page, 2))
        found += [TaskRef(each.job_id, each.task_number, each.lease_token) for each in got.dead_letters]
        page = got.next_page
        if page is None:
            return found
    raise AssertionError("the pages do not end")


def answers(site: Site, call: Any) -> list[str]:
    return [answer.answer for answer in site.transport.send(call)]


def test_what_failed_is_listed_the_latest_first(site: Site) -> None:
    odd = []
    for _ in range(3):
        odd += failed(site)
        site.ground.advance(1)
    (parked,) = failed(site, 1, "park", "PayloadMismatch")
    assert listed(site) == [parked, *reversed(odd)]
    assert listed(site, parked=True) == listed(site, error_type="PayloadMismatch") == [parked]
    assert listed(site, parked=False, task_type="work") == odd[::-1]
    assert listed(site, task_type="other") == []
    assert listed(site, job_id=odd[1].job_id) == [odd[1]]
    first = site.task(odd[0].job_id).finished_at
    assert listed(site, failed_before=first) == []
    assert len(listed(site, failed_after=first)) == 4


def test_a_parked_task_spent_no_attempt(site: Site) -> None:
    (ref,) = failed(site, 1, "park")
    task = site.task(ref.job_id)
    assert (task.parked, task.attempts, task.history[0].attempt) == (True, 0, None)


def test_a_replay_is_repeatable_and_keeps_the_history(site: Site) -> None:
    (ref,) = failed(site, max_attempts=2, deadline=1000)
    (other,) = failed(site)
    never = TaskRef(new_job_id(), 0, 1)
    call = ReplayJobTasks((Replay(ref), Replay(TaskRef(other.job_id, 0, 99)), Replay(never)))
    for _ in range(2):
        assert answers(site, call) == ["replayed", "not_failed", "unknown"]
    task = site.task(ref.job_id)
    assert (task.status, task.max_attempts, task.attempts, task.deadline_at) == ("pending", 3, 1, None)
    (again,) = site.claim()
    assert (again.job_id, again.attempt) == (ref.job_id, 2)
    assert answers(site, call) == ["replayed", "not_failed", "unknown"]
    assert site.finish(again) == ("recorded", "completed")
    assert [attempt.outcome for attempt in site.task(ref.job_id).history] == ["fail", "done"]
    assert listed(site) == [other]


def test_a_replayed_task_gets_as_many_attempts_as_it_had(site: Site) -> None:
    (ref,) = failed(site, max_attempts=2, backoff=100)
    site.transport.send(ReplayJobTasks((Replay(ref),)))
    (task,) = site.claim()
    assert site.finish(task, "retry") == ("recorded", "pending")
    site.ground.advance(101)
    (task,) = site.claim()
    assert site.finish(task, "retry") == ("recorded", "failed")
    (ref,) = listed(site)
    site.transport.send(ReplayJobTasks((Replay(ref),)))
    assert site.task(ref.job_id).max_attempts == 5


def test_a_replay_may_be_spread_over_time(site: Site) -> None:
    refs = failed(site, 2)
    site.transport.send(ReplayJobTasks((Replay(refs[0], 50.0), Replay(refs[1]))))
    assert ids(site.claim()) == [refs[1].job_id]
    site.ground.advance(51)
    assert ids(site.claim()) == [refs[0].job_id]


def test_a_cancel_before_the_failure_does_not_outlive_a_replay(site: Site) -> None:
    site.enqueue()
    (task,) = site.claim()
    site.transport.send(CancelJobs((task.job_id,)))
    site.finish(task, "fail")
    site.transport.send(ReplayJobTasks((Replay(task.ref),)))
    (again,) = site.claim()
    assert site.heartbeat(again) == ["held"]
    assert site.finish(again, "retry") == ("recorded", "pending")


def test_what_is_dropped_is_gone_for_good(site: Site) -> None:
    job = NewJob("work", queue=site.queue)
    site.transport.send(EnqueueJobs((job,)))
    (task,) = site.claim()
    site.finish(task, "fail")
    (other,) = site.enqueue()
    call = DropDeadLetters((task.ref, TaskRef(other, 0, 0), TaskRef(new_job_id(), 0, 1)))
    for _ in range(2):
        assert answers(site, call) == ["dropped", "not_failed", "unknown"]
    assert site.transport.send(GetJobs((job.job_id,))) == (None,)
    assert answers(site, EnqueueJobs((job,))) == ["conflict"]
    assert answers(site, ReplayJobTasks((Replay(task.ref),))) == ["unknown"]
    assert site.finish(task, "fail") == ("unknown", None)
    assert listed(site) == []


def test_nothing_is_leased_from_a_paused_queue(site: Site) -> None:
    first, _ = site.enqueue(2)
    (held,) = site.claim(1)
    call = PauseQueues((site.queue,), reason="too hot", changed_by="me")
    (pause,) = site.transport.send(call)
    assert (pause.paused, pause.paused_until, pause.reason, pause.paused_by) == (True, None, "too hot", "me")
    assert (site.claim(), site.last.paused) == ((), (site.queue,))
    assert site.heartbeat(held) == ["held"]
    assert site.finish(held) == ("recorded", "completed")
    assert [each.queue for each in site.transport.send(CountJobs((site.queue,))).paused] == [site.queue]

    resume = ResumeQueues((site.queue,), "me")
    (resumed,) = site.transport.send(resume)
    assert (resumed.paused, resumed.reason) == (False, None)
    (repeated,) = site.transport.send(call)
    assert not repeated.paused
    assert (len(site.claim()), site.last.paused, held.job_id) == (1, (), first)


def test_a_pause_ends_by_itself(site: Site) -> None:
    site.enqueue()
    (pause,) = site.transport.send(PauseQueues((site.queue,), 100.0))
    assert pause.paused_until is not None
    assert site.claim() == ()
    site.ground.advance(101)
    assert len(site.claim()) == 1
    assert site.transport.send(CountJobs((site.queue,))).paused == ()


def test_rescues_and_deadlines_go_on_in_a_paused_queue(site: Site) -> None:
    lost, late = site.enqueue(1)[0], site.enqueue(deadline=60)[0]
    (task,) = site.claim(1)
    site.transport.send(PauseQueues((site.queue,)))
    site.ground.advance(61)
    assert site.claim() == ()
    assert site.heartbeat(task) == ["lost"]
    assert (site.status(lost), site.status(late)) == ("pending", "failed")


def test_a_pause_until_a_time(site: Site) -> None:
    (job,) = site.enqueue()
    until = site.task(job).run_at + timedelta(seconds=500)
    (pause,) = site.transport.send(PauseQueues((site.queue,), paused_until=until))
    assert (pause.paused, pause.paused_until) == (True, until)
    site.ground.advance(400)
    assert site.claim() == ()
    site.ground.advance(101)
    assert len(site.claim()) == 1


@pytest.mark.parametrize("seconds", [0.0, 1e12])
def test_a_pause_of_no_length_is_refused(site: Site, seconds: float) -> None:
    with pytest.raises(Exception, match=r"pause_seconds: expected 0\.001 to 3153600000, or null"):
        site.transport.send(PauseQueues((site.queue,), seconds))
