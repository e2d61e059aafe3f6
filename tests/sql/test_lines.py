"""Which of several lines a claim serves: priorities, tenants in turn, queues by weight."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.sql.calls import Calls, Worker, endings, leases, new_job
from tests.sql.large import fill
from tests.sql.sessions import open_transaction, together

OpenWorker = Callable[..., Worker]
Connect = Callable[[], psycopg.Connection[Any]]

CHI_SQUARE_3_999 = 16.27
"""What chi-square with three degrees of freedom exceeds once in a thousand times."""


def jobs_of(tasks: list[dict[str, Any]]) -> list[str]:
    return [task["job_id"] for task in tasks]


def test_higher_priorities_go_first_and_each_in_order(calls: Calls, worker: Worker, queue_name: str) -> None:
    by_priority: dict[int, list[str]] = {priority: [] for priority in (-5, 0, 1, 5)}
    for _ in range(10):
        for priority, ids in by_priority.items():
            ids += calls.enqueue_new(queue_name, 2, priority=priority)
    expected = [job_id for priority in sorted(by_priority, reverse=True) for job_id in by_priority[priority]]
    found = [job_id for _ in range(10) for job_id in jobs_of(worker.claim(8))]
    assert found == expected


def test_a_higher_priority_that_comes_later_goes_first(calls: Calls, worker: Worker, queue_name: str) -> None:
    calls.enqueue_new(queue_name, 50)
    worker.claim(10)
    [urgent] = calls.enqueue_new(queue_name, priority=1)
    assert jobs_of(worker.claim(1)) == [urgent]


def test_a_first_one_in_an_open_transaction_holds_up_nobody(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    other = Calls(connect())
    other.connection.execute("set lock_timeout = '5s'")
    with open_transaction(calls.connection):
        late = calls.enqueue_new(queue_name, priority=3)
        soon = other.enqueue_new(queue_name, priority=3)
        assert jobs_of(worker.claim(10)) == soon
    assert calls.value("select count(*) from job_lines") == 2
    assert jobs_of(worker.claim_all()) == late


def test_a_priority_outlives_a_retry_a_delay_and_a_replay(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    [job_id] = calls.enqueue_new(queue_name, priority=3, delay_seconds=0.001, max_attempts=2)
    calls.enqueue_new(queue_name, 20)
    for outcome in ("retry", "fail"):
        [task] = worker.claim(1)
        assert task["job_id"] == job_id
        worker.finish(endings([task], outcome, after_seconds=0))
    calls.replay(*leases([task]))
    assert jobs_of(worker.claim(1)) == [job_id]


@pytest.mark.parametrize("options", [{"priority": 4}, {"priority": -1}, {"tenant": "late"}])
def test_a_late_commit_is_found_in_every_line(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str, options: dict[str, Any]
) -> None:
    late = Calls(connect())
    calls.enqueue_new(queue_name, 1, **options)
    assert len(worker.claim()) == 1
    with open_transaction(late.connection):
        ids = late.enqueue_new(queue_name, 3, **options)
        for _ in range(20):
            expected = set(calls.enqueue_new(queue_name, 5, **options) + calls.enqueue_new(queue_name, 5))
            tasks = worker.claim(10)
            assert set(jobs_of(tasks)) == expected
            worker.finish(endings(tasks, "done"))
    found = [job_id for _ in range(24) for job_id in jobs_of(worker.claim(1000))]
    assert sorted(found) == sorted(ids)


def test_the_first_of_a_priority_in_a_transaction_that_stays_open_is_found(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    """Its line is not there for others yet, nor is it when the worker's marks begin."""
    late = Calls(connect())
    with open_transaction(late.connection):
        ids = late.enqueue_new(queue_name, 3, priority=2)
        for _ in range(5):
            calls.enqueue_new(queue_name, 5)
            assert len(worker.claim(5)) == 5
    assert sorted(jobs_of(worker.claim(10))) == sorted(ids)


def test_tenants_are_served_in_turn(calls: Calls, worker: Worker, queue_name: str) -> None:
    for tenant, count in (("a", 30), ("b", 3), ("c", 1)):
        calls.enqueue_new(queue_name, count, tenant=tenant)
    calls.enqueue_new(queue_name, 2)
    of_job = dict(calls.connection.execute("select job_id::text, tenant from job_tasks").fetchall())
    one_by_one = [of_job[job_id] for _ in range(8) for job_id in jobs_of(worker.claim(1))]
    assert one_by_one == ["a", "b", "c", None, "a", "b", None, "a"]
    assert [of_job[job_id] for job_id in jobs_of(worker.claim(3))] == ["b", "a", "a"]


@pytest.mark.parametrize("waiting", [3000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_tenant_with_many_waiting_does_not_delay_another(
    superuser_calls: Calls, open_worker: OpenWorker, queue_name: str, waiting: int
) -> None:
    fill(superuser_calls.connection, queue_name, finished=0, waiting=waiting)
    superuser_calls.connection.execute("update job_tasks set tenant = 'many'")
    worker = open_worker()
    worker.claim(10)
    [job_id] = superuser_calls.enqueue_new(queue_name, tenant="one")
    assert job_id in [job_id for _ in range(2) for job_id in jobs_of(worker.claim(1))]


def test_types_that_are_not_served_hide_nothing(
    superuser_calls: Calls, open_worker: OpenWorker, queue_name: str
) -> None:
    """Of a tenant that goes first, and of this tenant itself; more than a claim reads entries of."""
    fill(superuser_calls.connection, queue_name, finished=0, waiting=12_000)
    superuser_calls.connection.execute(
        "update job_tasks set task_type = 'another', tenant = (array['a', 'b'])[1 + position % 2]"
    )
    ids = superuser_calls.enqueue_new(queue_name, 3, tenant="b")
    assert sorted(jobs_of(open_worker().claim(5))) == sorted(ids)


def test_a_tenant_with_many_types_holds_nobody_up(
    calls: Calls, open_worker: OpenWorker, queue_name: str
) -> None:
    types = [f"type-{n:03}" for n in range(300)]
    calls.enqueue(*(new_job(queue_name, name, tenant="a") for name in types))
    of_b = calls.enqueue_new(queue_name, 3, tenant="b", task_type="type-000")
    worker = open_worker(task_types=types)
    found = [job_id for _ in range(24) for job_id in jobs_of(worker.claim(1))]
    assert set(of_b) <= set(found)


def test_a_locked_task_hides_no_other_of_its_tenant(
    calls: Calls, worker: Worker, connect: Connect, queue_name: str
) -> None:
    locker = connect()
    ids = calls.enqueue_new(queue_name, 20, tenant="a")
    with open_transaction(locker):
        locker.execute("select from jobs where job_id = any(%s) for no key update", [ids[:10]])
        assert [jobs_of(worker.claim(1)) for _ in range(5)] == [[job_id] for job_id in ids[10:15]]
    assert sorted(jobs_of(worker.claim(100))) == sorted(ids[:10] + ids[15:])


def test_shares_follow_the_weights(calls: Calls, worker: Worker) -> None:
    """One at a time, of four queues that all have work: a chi-square test, on request ids that are fixed."""
    chance = random.Random(7)
    weights = {f"q{n}": weight for n, weight in enumerate([1, 2, 3, 4])}
    for queue in weights:
        calls.enqueue_new(queue, 300)
    worker.queues = list(weights)
    claims = 300
    seen: Counter[str] = Counter()
    for _ in range(claims):
        request_id = f"{chance.getrandbits(128):032x}"
        seen.update(task["queue"] for task in worker.claim(1, weights=weights, request_id=request_id))
    expected = {queue: claims * weight / 10 for queue, weight in weights.items()}
    assert sum((seen[q] - n) ** 2 / n for q, n in expected.items()) < CHI_SQUARE_3_999, seen


def test_a_batch_has_the_shares_too_and_unused_ones_go_to_others(calls: Calls, worker: Worker) -> None:
    weights = {"small": 1, "large": 3, "short": 6}
    for queue, count in (("small", 200), ("large", 200), ("short", 5)):
        calls.enqueue_new(queue, count)
    worker.queues = list(weights)
    seen = Counter(task["queue"] for task in worker.claim(100, weights=weights))
    assert seen["short"] == 5
    assert seen.total() == 100
    assert abs(seen["large"] - 3 * seen["small"]) <= 20


def test_weights_are_checked(calls: Calls, worker: Worker, queue_name: str) -> None:
    for weights in ([], {"elsewhere": 1}, {queue_name: 0}, {queue_name: "1"}, {queue_name: 1001}):
        with pytest.raises(psycopg.DatabaseError, match="weights: expected"):
            worker.claim(1, weights=weights)


@pytest.mark.parametrize("run", range(4))
def test_workers_that_race_on_tenants_take_each_task_once(
    calls: Calls, open_worker: OpenWorker, queue_name: str, run: int
) -> None:
    """Also over two priorities; run is there so that one call of this test is several races."""
    jobs = [
        new_job(queue_name, tenant=f"t{n % 7}" if n % 5 else None, priority=n % 2)
        for n in range(200 + 20 * run)
    ]
    calls.enqueue(*({k: v for k, v in job.items() if v is not None} for job in jobs))
    workers = [open_worker() for _ in range(2)]
    found = together(*(lambda worker=worker: worker.claim_all(7) for worker in workers))
    taken = [job_id for tasks in found for job_id in jobs_of(tasks)]
    assert len(taken) == len(set(taken))
    assert set(taken) == {job["job_id"] for job in jobs}


def test_a_repeat_is_answered_alike(calls: Calls, worker: Worker, queue_name: str) -> None:
    for n in range(10):
        calls.enqueue_new(queue_name, tenant=f"t{n}", priority=n % 3)
    request_id, marks = str(uuid4()), worker.marks
    first = worker.claim(5, request_id=request_id)
    assert sorted(jobs_of(worker.claim(5, request_id=request_id, marks=marks))) == sorted(jobs_of(first))


def test_a_line_that_is_not_read_keeps_its_tenants_turn(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    of_a = calls.enqueue_new(queue_name, 3, tenant="a")
    of_b = calls.enqueue_new(queue_name, 3, tenant="b")
    assert jobs_of(worker.claim(1)) == of_a[:1]
    urgent = calls.enqueue_new(queue_name, 2, priority=1)
    assert [jobs_of(worker.claim(1)) for _ in urgent] == [[job_id] for job_id in urgent]
    assert jobs_of(worker.claim(1)) == of_b[:1]


def test_a_tenant_with_many_types_that_are_not_served_is_passed(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    calls.enqueue(*(new_job(queue_name, f"type-{n:03}", tenant="a") for n in range(300)))
    ids = calls.enqueue_new(queue_name, tenant="b")
    assert [job_id for _ in range(8) for job_id in jobs_of(worker.claim(1))] == ids
