"""No attempt begins after a task's deadline: what waits is failed by the next claim, wherever it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.sql.calls import Calls, Row, Worker, answers, endings, expire, leases, new_job, pass_deadline
from tests.sql.sessions import open_transaction, wait_until
from tests.sql.test_finish import add_task
from tests.sql.test_lone import suspects

OpenWorker = Callable[..., Worker]
Connect = Callable[[], psycopg.Connection[Any]]


def failures(worker: Worker) -> list[str]:
    return [row["job_id"] for row in worker.last["failed"]]


def test_a_claim_fails_what_waits_beyond_its_deadline(calls: Calls, worker: Worker, queue_name: str) -> None:
    late, good = calls.enqueue_new(queue_name, 2, deadline_seconds=60)
    pass_deadline(calls.connection, [late])
    assert [task["job_id"] for task in worker.claim()] == [good]
    assert worker.last["failed"] == [
        {
            "job_id": late,
            "task_number": 0,
            "queue": queue_name,
            "task_type": "count",
            "attempt": 0,
            "error_type": "DeadlineExceeded",
        }
    ]
    task = calls.task(late)
    assert (task["status"], task["attempts"], task["history"]) == ("failed", 0, [])
    moment = task["deadline_at"][:19] + "Z"
    assert task["error"] == {
        "type": "DeadlineExceeded",
        "message": f"no attempt may begin after its deadline, {moment}",
    }
    assert calls.status(late) == "failed"
    worker.look_again_for_deadlines()
    worker.claim()
    assert worker.last["failed"] == []


def test_also_what_is_not_due_yet(calls: Calls, worker: Worker, queue_name: str) -> None:
    late = calls.enqueue_new(queue_name, delay_seconds=3600, deadline_seconds=60)
    pass_deadline(calls.connection, late)
    worker.claim(0)
    assert failures(worker) == late


def test_also_where_the_front_of_the_queue_is_far_away(calls: Calls, worker: Worker, queue_name: str) -> None:
    """And whatever its type: no worker may ever serve that."""
    calls.enqueue_new(queue_name, 3000)
    late = calls.enqueue_new(queue_name, task_type="unheard", deadline_seconds=60)
    worker.claim(1)
    pass_deadline(calls.connection, late)
    worker.look_again_for_deadlines()
    assert len(worker.claim(1)) == 1
    assert failures(worker) == late


def test_a_moment_that_passed_before_the_enqueue(calls: Calls, worker: Worker, queue_name: str) -> None:
    """Stored as now: claims look from where the clock was. Its late repeat is one."""
    worker.claim_all()
    job = new_job(queue_name, deadline_at="2001-01-01T00:00:00Z")
    assert answers(calls.enqueue(job)) == ["created"]
    assert calls.value("select deadline_at = created_at from job_tasks join jobs using (job_id)")
    wait_until(lambda: worker.claim() == [] and failures(worker) == [job["job_id"]], "a claim fails it")
    assert answers(calls.enqueue(job)) == ["exists"]
    assert calls.status(job["job_id"]) == "failed"


def test_nothing_is_leased_after_its_deadline(calls: Calls, worker: Worker, queue_name: str) -> None:
    """Also between two looks for deadlines, which a claim takes twice a second at most."""
    job_ids = calls.enqueue_new(queue_name, 3, deadline_seconds=60)
    worker.claim(0)
    pass_deadline(calls.connection, job_ids)
    assert worker.claim() == []
    worker.look_again_for_deadlines()
    worker.claim()
    assert sorted(failures(worker)) == sorted(job_ids)


def test_a_deadline_that_passes_between_the_look_and_the_lock_counts(calls: Calls, queue_name: str) -> None:
    late, good = calls.enqueue_new(queue_name, 2, deadline_seconds=60)
    pass_deadline(calls.connection, [late])
    query = """select jsonb_path_query_array(tasks, '$[*].job_id') from supaqueue_lease_job_tasks(
                   %s::uuid[], '{0,0}', supaqueue_claim_types('{count}'), interval '1 minute',
                   gen_random_uuid(), 'w', null)"""
    assert calls.value(query, [[late, good]]) == [good]
    assert calls.status(late) == "pending"


def test_what_changed_between_the_look_and_the_lock_is_left_alone(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    """The look saw each of them waiting and late; meanwhile others leased, ended or replayed all but one."""
    job_ids = calls.enqueue_new(queue_name, 4, deadline_seconds=60)
    leased, ended = worker.claim(2)
    worker.finish(endings([ended], "done"))
    pass_deadline(calls.connection, job_ids[:3])
    query = """select jsonb_path_query_array(failed, '$[*].job_id')
               from supaqueue_fail_late_job_tasks(%s::uuid[], '{0,0,0,0}')"""
    assert calls.value(query, [job_ids]) == [job_ids[2]]
    statuses = ["processing", "completed", "failed", "pending"]
    assert [calls.status(job_id) for job_id in job_ids] == statuses
    worker.finish(endings([leased], "done"))


def test_what_is_late_at_the_front_holds_up_nothing(calls: Calls, worker: Worker, queue_name: str) -> None:
    late = calls.enqueue_new(queue_name, 5, deadline_seconds=60, payload="x" * 1_000_000)
    good = calls.enqueue_new(queue_name, 3)
    worker.claim(0)
    pass_deadline(calls.connection, late)
    assert [task["job_id"] for task in worker.claim(3)] == good


def test_a_late_suspect_holds_up_no_other(calls: Calls, open_worker: OpenWorker) -> None:
    late, good = suspects(calls, open_worker, "q", 2)
    worker = open_worker(queues=["q"])
    worker.claim(0, holding=1)
    pass_deadline(calls.connection, [late])
    assert [task["job_id"] for task in worker.claim()] == [good]
    worker.look_again_for_deadlines()
    worker.claim(0)
    assert failures(worker) == [late]


def test_many_at_one_moment_are_failed_by_several_claims(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    job_ids = calls.enqueue_new(queue_name, 500, deadline_seconds=60)
    pass_deadline(calls.connection, job_ids)
    told: list[str] = []

    def all_are_told() -> bool:
        assert worker.claim() == []
        assert len(failures(worker)) <= 400  # 200 ahead of the mark, 200 behind
        told.extend(failures(worker))
        return len(told) >= len(job_ids)

    wait_until(all_are_told, "all are failed")
    assert sorted(told) == sorted(job_ids)


def test_a_deadline_committed_behind_the_mark_is_found(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    late = Calls(connect())
    with open_transaction(late.connection):
        job_ids = late.enqueue_new(queue_name, deadline_at="2001-01-01T00:00:00Z")
        passed = late.value("select supaqueue_microseconds(deadline_at) from job_tasks")
        worker.claim()
        assert worker.marks[queue_name]["deadline"]["at"] > passed
    wait_until(lambda: worker.claim() == [] and failures(worker) == job_ids, "a look behind finds it")


BEGINS_TOO_LATE: list[tuple[str, Row]] = [
    ("retry", {"after_seconds": 200}),
    ("retry", {}),
    ("snooze", {"after_seconds": 200}),
]


@pytest.mark.parametrize(("outcome", "options"), BEGINS_TOO_LATE)
def test_an_attempt_that_would_begin_too_late_is_the_end(
    calls: Calls, worker: Worker, queue_name: str, outcome: str, options: Row
) -> None:
    [job_id] = calls.enqueue_new(
        queue_name, deadline_seconds=100, retry_delay_seconds=200, retry_jitter=False
    )
    error = {"type": "ValueError", "message": "no"}
    ending = endings(worker.claim(), outcome, error=error, **options)
    [answer] = worker.finish(ending)
    assert (answer["answer"], answer["status"], answer["retry_in_seconds"]) == ("recorded", "failed", None)
    assert worker.finish(ending) == [answer]
    task = calls.task(job_id)
    assert task["error"]["type"] == "DeadlineExceeded"
    assert task["error"]["message"].endswith("; the last one ended with ValueError: no")
    assert [(row["outcome"], row["status_after"], row["error"]) for row in task["history"]] == [
        (outcome, "failed", error)
    ]


def test_one_that_begins_in_time_is_not(calls: Calls, worker: Worker, queue_name: str) -> None:
    calls.enqueue_new(queue_name, deadline_seconds=100)
    [answer] = worker.finish(endings(worker.claim(), "retry", after_seconds=90))
    assert answer["status"] == "pending"


@pytest.mark.parametrize("started", [False, True])
def test_a_task_handed_back_or_lost_after_its_deadline_fails(
    calls: Calls, worker: Worker, open_worker: OpenWorker, queue_name: str, started: bool
) -> None:
    job_ids = calls.enqueue_new(queue_name, 2, deadline_seconds=60)
    back, lost = worker.claim()
    if started:
        worker.heartbeat([lost], started=[lost])
    pass_deadline(calls.connection, job_ids)
    [answer] = worker.finish(endings([back], "not_started"))
    assert answer["status"] == "failed"
    expire(calls.connection, [lost])
    rescuer = open_worker()
    assert rescuer.claim() == []
    assert [row["error_type"] for row in rescuer.last["failed"]] == ["DeadlineExceeded"]
    assert [calls.task(job_id)["attempts"] for job_id in job_ids] == [0, int(started)]


def test_the_error_of_an_earlier_attempt_is_part_of_the_text(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name, deadline_seconds=60)
    error = {"type": "OSError", "message": "no route"}
    worker.finish(endings(worker.claim(), "retry", after_seconds=0, error=error))
    worker.finish(endings(worker.claim(), "snooze", after_seconds=600))
    assert calls.task(job_id)["error"]["message"].endswith("; the last one ended with OSError: no route")


def test_the_last_error_of_what_waited_for_a_retry_is_part_of_the_text(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name, deadline_seconds=60)
    error = {"type": "OSError", "message": "no route"}
    worker.finish(endings(worker.claim(), "retry", after_seconds=30, error=error))
    pass_deadline(calls.connection, [job_id])
    worker.look_again_for_deadlines()
    worker.claim()
    assert failures(worker) == [job_id]
    assert calls.task(job_id)["error"]["message"].endswith("; the last one ended with OSError: no route")
    assert len(calls.task(job_id)["history"]) == 1


def test_attempts_that_are_spent_and_a_cancel_come_first(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    spent, cancelled = calls.enqueue_new(queue_name, 2, max_attempts=1, deadline_seconds=60)
    first, second = worker.claim()
    calls.cancel(cancelled)
    error = {"type": "ValueError"}
    worker.finish(endings([first], "retry", after_seconds=600, error=error))
    worker.finish(endings([second], "snooze", after_seconds=600))
    assert calls.task(spent)["error"] == error
    assert calls.status(cancelled) == "cancelled"


def test_one_late_task_of_two(calls: Calls, worker: Worker, queue_name: str) -> None:
    """The job follows from both, whichever order they end in."""
    [job_id] = calls.enqueue_new(queue_name, deadline_seconds=60)
    add_task(calls, job_id)
    calls.connection.execute(
        "update job_tasks set deadline_at = clock_timestamp() where job_id = %s and task_number = 0", [job_id]
    )
    [other] = worker.claim()
    assert (other["task_number"], failures(worker)) == (1, [job_id])
    assert calls.status(job_id) == "processing"
    worker.finish(endings([other], "done"))
    assert calls.status(job_id) == "failed"


def test_no_mark_of_before_is_needed(calls: Calls, worker: Worker, queue_name: str) -> None:
    """A worker from before deadlines were known hands in marks without them."""
    worker.claim_all()
    late = calls.enqueue_new(queue_name, deadline_seconds=60)
    pass_deadline(calls.connection, late)
    worker.look_again_for_deadlines()
    assert set(worker.marks[queue_name]) == {"server", "types", "ready", "due", "leased"}
    worker.claim()
    assert failures(worker) == late


def test_what_expired_before_any_worker_had_it_can_be_abandoned(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    """Its sender never learnt that it was stored: no replay may run it later."""
    job = new_job(queue_name, deadline_seconds=60)
    calls.enqueue(job)
    pass_deadline(calls.connection, [job["job_id"]])
    worker.claim()
    dead = calls.list_dead_letters()["dead_letters"]
    assert len(dead) == 1
    twice = [job["job_id"]] * 2
    assert calls.abandon(*twice) == calls.abandon(*twice) == ["abandoned"] * 2
    assert calls.replay(*leases(dead)) == ["unknown"]
    assert answers(calls.enqueue(job)) == ["conflict"]
