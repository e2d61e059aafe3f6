"""A task that lost two leases is claimed alone; claims are bounded; no queue starves another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests.sql.calls import Calls, Worker, answers, endings, expire

OpenWorker = Callable[..., Worker]


def suspects(calls: Calls, open_worker: OpenWorker, queue: str, count: int) -> list[str]:
    """Tasks that wait and have lost two leases; nothing else may be ready in the queue."""
    job_ids = calls.enqueue_new(queue, count)
    for _ in range(2):
        held = open_worker(queues=[queue]).claim(count)
        assert len(held) == count
        expire(calls.connection, held)
        open_worker(queues=[queue]).claim(0)
    return job_ids


def ids(tasks: list[dict[str, Any]]) -> list[str]:
    return [task["job_id"] for task in tasks]


def test_what_lost_two_leases_is_claimed_alone_and_first(calls: Calls, open_worker: OpenWorker) -> None:
    worker = open_worker(queues=["q"])
    both = suspects(calls, open_worker, "q", 2)
    others = calls.enqueue_new("q", 3)
    (first,) = ids(worker.claim(10))
    assert worker.last["alone"] is True
    assert (ids(worker.claim(10, holding=1)), worker.last["alone"]) == (others, False)
    assert (ids(worker.claim(10, holding=4)), worker.last["drain"]) == ([], False)
    (second,) = ids(worker.claim(10))
    assert {first, second} == set(both)
    request = str(uuid4())
    (third,) = suspects(calls, open_worker, "q", 1)
    assert ids(worker.claim(10, request_id=request)) == [third]
    assert (ids(worker.claim(10, request_id=request)), worker.last["alone"]) == ([third], True)


def test_two_workers_do_not_get_the_same_one(calls: Calls, open_worker: OpenWorker) -> None:
    suspects(calls, open_worker, "q", 1)
    found = [ids(open_worker(queues=["q"]).claim(5)) for _ in range(2)]
    assert sorted(map(len, found)) == [0, 1]


@pytest.mark.parametrize(("seconds", "one_drains"), [(29, False), (31, True)])
def test_one_worker_drains_for_it_after_thirty_seconds(
    calls: Calls, open_worker: OpenWorker, seconds: int, one_drains: bool
) -> None:
    workers = [open_worker(queues=["q"]) for _ in range(3)]
    for worker in workers:
        row = {"worker_id": worker.worker_id, "queues": ["q"], "task_types": ["count"], "concurrency": 1}
        calls.call("register_worker_v1", worker=row)
    suspects(calls, open_worker, "q", 1)
    calls.connection.execute(
        "update job_tasks set run_at = clock_timestamp() - make_interval(secs => %s)", [seconds]
    )
    calls.enqueue_new("q", 2)
    drains = []
    for worker in workers:
        worker.claim(0, holding=5)
        drains.append(worker.last["drain"])
    assert drains.count(True) == int(one_drains)


def test_neighbours_of_a_task_that_kills_are_safe(calls: Calls, open_worker: OpenWorker) -> None:
    """Sixteen tasks with default attempts; one kills its worker whenever it runs: only that one fails."""
    job_ids = calls.enqueue_new("q", 16)
    poison = job_ids[7]
    while any(calls.job(job_id)["finished_at"] is None for job_id in job_ids):
        worker = open_worker(queues=["q"])  # the one before was killed
        held = worker.claim(16)
        if poison in ids(held):
            calls.heartbeat(held, started=held)
            expire(calls.connection, held)
        elif held:
            assert set(answers(worker.finish(endings(held, "done")))) == {"recorded"}
    statuses = {job_id: calls.status(job_id) for job_id in job_ids}
    assert statuses.pop(poison) == "failed"
    assert set(statuses.values()) == {"completed"}
    assert max(calls.task(job_id)["lost_leases"] for job_id in statuses) <= 2


def test_what_a_rescue_fails_is_told(calls: Calls, open_worker: OpenWorker) -> None:
    worker = open_worker(queues=["q"])
    (job_id,) = calls.enqueue_new("q", max_attempts=1)
    held = worker.claim()
    calls.heartbeat(held, started=held)
    expire(calls.connection, held)
    other = open_worker(queues=["q"])
    assert other.claim() == []
    assert other.last["failed"] == [
        {
            "job_id": job_id,
            "task_number": 0,
            "queue": "q",
            "task_type": "count",
            "attempt": 1,
            "error_type": "LeaseLost",
        }
    ]


def test_large_payloads_come_in_several_claims(calls: Calls, open_worker: OpenWorker) -> None:
    job_ids = calls.enqueue_new("q", 6, payload="x" * 1_000_000)
    worker = open_worker(queues=["q"])
    assert ids(worker.claim(100)) == job_ids[:5]
    assert worker.last["more"] is True
    assert ids(worker.claim(100)) == job_ids[5:]


def test_many_tasks_that_are_not_served_are_passed_in_bounded_steps(
    calls: Calls, open_worker: OpenWorker
) -> None:
    for _ in range(3):
        calls.enqueue_new("q", 8000, task_type="other")
    served = calls.enqueue_new("q", 2)
    worker = open_worker(queues=["q"])
    found: list[list[str]] = []
    while not found or worker.last["more"]:
        found.append(ids(worker.claim(10)))
    assert found == [[], [], served]


def test_no_queue_waits_behind_another(calls: Calls, open_worker: OpenWorker) -> None:
    queues = ["full-1", "full-2", "lone"]
    for queue in queues[:2]:
        calls.enqueue_new(queue, 100)
    (lone,) = calls.enqueue_new("lone")
    worker = open_worker(queues=queues)
    found = [ids(worker.claim(1)) for _ in range(60)]
    # Each claim draws the first queue anew: not among 60 has a chance of (2/3)^60, 3e-11.
    assert [lone] in found
    served = {calls.job(job_id)["queue"] for claimed in found for job_id in claimed}
    assert served == set(queues)


def test_a_lease_is_its_workers_alone(calls: Calls, open_worker: OpenWorker) -> None:
    """After a restore from backup two workers may hold the same token of a task."""
    worker = open_worker(queues=["q"])
    (job_id,) = calls.enqueue_new("q")
    held = worker.claim()
    before = calls.task(job_id)
    assert answers(calls.heartbeat(held, started=held, worker_id="before-the-restore")) == ["lost"]
    assert answers(calls.finish(endings(held, "fail"), worker_id="before-the-restore")) == ["lost"]
    assert calls.task(job_id) == before
    assert answers(calls.finish(endings(held, "done"), worker_id=worker.worker_id)) == ["recorded"]
    assert answers(calls.finish(endings(held, "fail"), worker_id="before-the-restore")) == ["lost"]
    assert calls.status(job_id) == "completed"
