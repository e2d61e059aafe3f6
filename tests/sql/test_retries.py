"""How long retries wait, and what decides it: the job, else its task type, else what is built in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.sql.calls import Calls, Row, Worker, answers, endings
from tests.sql.sessions import together

Connect = Callable[[], psycopg.Connection[Any]]

DELAY = """select extract(epoch from supaqueue_retry_delay(
    make_interval(secs => %s), %s::real, make_interval(secs => %s), %s, %s))::double precision"""
MONTH = 2_592_000
WAITS = """select extract(epoch from t.run_at - a.ended_at)::double precision from job_task_attempts a
           join job_tasks t using (job_id, task_number) where a.lease_token = t.lease_token"""
OPTIONS = """select max_attempts, extract(epoch from retry_delay)::integer, retry_factor,
    extract(epoch from retry_max_delay)::integer, retry_jitter, extract(epoch from timeout)::integer,
    extract(epoch from deadline_at - run_at)::integer from job_tasks where job_id = %s"""
BUILT_IN = (5, 5, 2.0, 3600, True, None, None)
FULL = {
    "max_attempts": 9,
    "retry_delay_seconds": 7,
    "retry_factor": 3,
    "retry_max_delay_seconds": 70,
    "retry_jitter": False,
    "timeout_seconds": 20,
    "deadline_seconds": 600,
}


@pytest.mark.parametrize(
    ("base", "factor", "cap", "n", "seconds"),
    [
        (5, 2, 3600, 1, 5),
        (5, 2, 3600, 2, 10),
        (5, 2, 3600, 10, 2560),
        (5, 2, 3600, 11, 3600),
        (5, 2, 3600, 1000, 3600),
        (5, 1, MONTH, 1000, 5),
        (5, 1.5, MONTH, 3, 11.25),
        (0, 100, MONTH, 1000, 0),
        (0.001, 100, MONTH, 1000, MONTH),
        (MONTH, 100, MONTH, 1000, MONTH),
        (60, 2, 30, 1, 30),
        (60, 2, 0, 3, 0),
    ],
)
def test_delays_grow_by_the_factor_up_to_the_cap(
    calls: Calls, base: float, factor: float, cap: float, n: int, seconds: float
) -> None:
    assert calls.value(DELAY, [base, factor, cap, False, n]) == pytest.approx(seconds, rel=1e-6)
    for _ in range(20):
        assert 0 <= calls.value(DELAY, [base, factor, cap, True, n]) <= seconds * (1 + 1e-6)


def test_jitter_draws_from_the_whole_of_the_delay(calls: Calls) -> None:
    """With a seed, the draws are the same in each run: each tenth gets about a tenth of them."""
    calls.connection.execute("select setseed(0.25)")
    query = """select width_bucket(extract(epoch from supaqueue_retry_delay(
                   interval '10 s', 2, interval '1 h', true, 4)), 0, 80, 10) as tenth, count(*)
               from generate_series(1, 10000) group by 1 order by 1"""
    tenths = dict(calls.connection.execute(query).fetchall())
    assert list(tenths) == list(range(1, 11))
    assert min(tenths.values()) > 850
    assert max(tenths.values()) < 1150


def test_each_retry_of_a_task_waits_longer(calls: Calls, worker: Worker, queue_name: str) -> None:
    calls.enqueue_new(
        queue_name,
        max_attempts=1000,
        retry_delay_seconds=10,
        retry_factor=3,
        retry_max_delay_seconds=50,
        retry_jitter=False,
    )
    waits = []
    for _ in range(4):
        worker.finish(endings(worker.claim(), "retry"))
        waits.append(calls.value(WAITS))
        assert worker.claim() == []
        calls.connection.execute("update job_tasks set run_at = clock_timestamp()")
    assert waits == pytest.approx([10, 30, 50, 50])
    worker.finish(endings(worker.claim(), "retry", after_seconds=7))
    assert calls.value(WAITS) == 7


def test_what_costs_no_attempt_makes_no_retry_wait_longer(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    calls.enqueue_new(queue_name, retry_delay_seconds=10, retry_jitter=False)
    for outcome in ("snooze", "not_started", "snooze"):
        worker.finish(endings(worker.claim(), outcome))
    worker.finish(endings(worker.claim(), "retry"))
    assert calls.value(WAITS) == 10


def options_of(calls: Calls, queue: str, **options: Any) -> tuple[Any, ...]:
    [job_id] = calls.enqueue_new(queue, **options)
    [row] = calls.connection.execute(OPTIONS, [job_id]).fetchall()
    return tuple(row)


def test_what_is_built_in(calls: Calls, queue_name: str) -> None:
    assert options_of(calls, queue_name) == BUILT_IN


def test_a_job_overrules_its_type_and_the_type_what_is_built_in(calls: Calls, queue_name: str) -> None:
    declared = (9, 7, 3.0, 70, False, 20, 600)
    job = (3, 2, 4.0, 40, True, 10, 300)
    assert answers(calls.set_task_types({"task_type": "count"} | FULL)) == ["set"]
    assert options_of(calls, queue_name) == declared
    assert options_of(calls, queue_name, task_type="other") == BUILT_IN
    values = [3, 2, 4, 40, True, 10, 300]
    for place, (name, value) in enumerate(zip(FULL, values, strict=True)):
        expected = (*declared[:place], job[place], *declared[place + 1 :])
        assert options_of(calls, queue_name, **{name: value}) == expected


def test_a_moment_overrules_the_deadline_of_the_type(calls: Calls, queue_name: str) -> None:
    calls.set_task_types({"task_type": "count", "deadline_seconds": 60})
    [job_id] = calls.enqueue_new(queue_name, deadline_at="2100-01-01T00:00:00Z")
    assert calls.task(job_id)["deadline_at"] == "2100-01-01T00:00:00+00:00"
    assert options_of(calls, queue_name, delay_seconds=1000)[-1] == 60


def test_a_declaration_is_for_jobs_to_come_and_replaces_the_one_before(calls: Calls, queue_name: str) -> None:
    calls.set_task_types({"task_type": "count"} | FULL)
    [job_id] = calls.enqueue_new(queue_name)
    calls.set_task_types({"task_type": "count", "max_attempts": 2, "timeout_seconds": None})
    assert options_of(calls, queue_name) == (2, *BUILT_IN[1:])
    assert calls.connection.execute(OPTIONS, [job_id]).fetchall() == [(9, 7, 3.0, 70, False, 20, 600)]


def test_a_repeat_of_a_declaration_changes_nothing(calls: Calls, queue_name: str) -> None:
    """An original that comes after its repeat is one too, also if another declaration came between."""
    request_id = str(uuid4())
    first = {"task_type": "count", "max_attempts": 2}
    answered = calls.set_task_types(first, request_id=request_id)
    calls.set_task_types(first | {"max_attempts": 8})
    assert calls.set_task_types(first, request_id=request_id) == answered
    assert options_of(calls, queue_name)[0] == 8


def test_answers_come_in_the_order_asked_and_the_first_of_two_counts(calls: Calls, queue_name: str) -> None:
    def declared(task_type: str, max_attempts: int) -> Row:
        return {"task_type": task_type, "max_attempts": max_attempts}

    given = [declared("count", 3), declared("a", 4), declared("count", 5)]
    assert calls.set_task_types(*given) == [
        {"task_type": name, "answer": "set"} for name in ("count", "a", "count")
    ]
    assert options_of(calls, queue_name)[0] == 3


def test_what_was_changed_by_whom_is_kept(calls: Calls) -> None:
    calls.set_task_types({"task_type": "count", "max_attempts": 3}, changed_by="ada")
    query = "select function, change, changed_by from job_changes"
    assert calls.connection.execute(query).fetchall() == [
        ("set_task_types_v1", [{"task_type": "count", "max_attempts": 3}], "ada")
    ]


def test_two_sessions_that_declare_the_same_types_do_not_deadlock(calls: Calls, connect: Connect) -> None:
    one, other = Calls(connect()), Calls(connect())
    for n in range(20):
        types = [{"task_type": f"t{m}", "max_attempts": n + 1} for m in range(50)]
        together(partial(one.set_task_types, *types), partial(other.set_task_types, *types[::-1]))
    assert calls.value("select count(*) from job_task_types where max_attempts = 20") == 50
