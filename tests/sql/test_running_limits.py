"""Limits on what runs: how many are leased at once, or begun in a window, whoever claims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.sql.calls import Calls, Row, Worker, endings, expire, new_job
from tests.sql.test_lone import suspects

OpenWorker = Callable[..., Worker]


def jobs_of(tasks: list[Row]) -> list[str]:
    return [task["job_id"] for task in tasks]


def test_no_more_run_than_a_queue_may_and_a_place_is_free_again_at_an_end(
    calls: Calls, open_worker: OpenWorker, queue_name: str
) -> None:
    ids = calls.enqueue_new(queue_name, 6)
    calls.limit_running({"queue": queue_name, "running_limit": 2})
    one, other = open_worker(), open_worker()
    held = one.claim(10)
    assert jobs_of(held) == ids[:2]
    assert (one.last["more"], other.claim(10), other.last["more"]) == (False, [], False)
    assert (one.last["wait_seconds"], other.last["wait_seconds"]) == (None, None)
    other.finish(endings(held[:1], "done"))
    assert jobs_of(other.claim(10)) == ids[2:3]
    one.finish(endings(held[1:], "retry", after_seconds=0))
    assert jobs_of(one.claim(10)) == ids[3:4]


def test_a_limit_of_a_type_holds_over_queues_and_lets_other_types_pass(
    calls: Calls, open_worker: OpenWorker, queue_name: str
) -> None:
    queues = [queue_name, f"{queue_name}-2"]
    for queue in queues:
        calls.enqueue_new(queue, 5, "pay")
        calls.enqueue_new(queue, 2, "mail")
    calls.limit_running({"task_type": "pay", "running_limit": 3})
    worker = open_worker(queues=queues, task_types=["pay", "mail"])
    found = worker.claim_all(10)
    assert Counter(task["task_type"] for task in found) == {"pay": 3, "mail": 4}
    worker.finish(endings([task for task in found if task["task_type"] == "pay"][:2], "done"))
    assert [task["task_type"] for task in worker.claim_all(10)] == ["pay"] * 2


def test_a_limit_of_both_holds_for_that_type_in_that_queue(
    calls: Calls, open_worker: OpenWorker, queue_name: str
) -> None:
    queues = [queue_name, f"{queue_name}-2"]
    for queue in queues:
        calls.enqueue_new(queue, 3, "pay")
        calls.enqueue_new(queue, 3, "mail")
    calls.limit_running({"queue": queue_name, "task_type": "pay", "running_limit": 1})
    found = open_worker(queues=queues, task_types=["pay", "mail"]).claim_all(20)
    counts = Counter((task["queue"], task["task_type"]) for task in found)
    assert counts == {
        (queues[0], "pay"): 1,
        (queues[0], "mail"): 3,
        (queues[1], "pay"): 3,
        (queues[1], "mail"): 3,
    }


def test_each_tenant_has_its_own_limit_and_who_has_none_is_not_limited(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    for tenant in ("a", "b", None):
        calls.enqueue_new(queue_name, 4, tenant=tenant)
    calls.limit_running({"queue": queue_name, "each_tenant": True, "running_limit": 2})
    tenants = dict(calls.connection.execute("select job_id::text, tenant from jobs").fetchall())
    found = worker.claim_all(3)
    assert Counter(tenants[job_id] for job_id in jobs_of(found)) == {"a": 2, "b": 2, None: 4}
    worker.finish(endings([task for task in found if tenants[task["job_id"]] == "b"], "done"))
    assert [tenants[job_id] for job_id in jobs_of(worker.claim_all(3))] == ["b", "b"]


def test_several_limits_hold_at_once(calls: Calls, open_worker: OpenWorker, queue_name: str) -> None:
    for tenant in ("a", "b", "c"):
        calls.enqueue_new(queue_name, 4, "pay", tenant=tenant)
        calls.enqueue_new(queue_name, 4, "mail", tenant=tenant)
    calls.limit_running(
        {"queue": queue_name, "running_limit": 5},
        {"task_type": "pay", "running_limit": 2},
        {"queue": queue_name, "each_tenant": True, "running_limit": 2},
    )
    found = open_worker(task_types=["pay", "mail"]).claim_all(10)
    tenants = dict(calls.connection.execute("select job_id::text, tenant from jobs").fetchall())
    assert len(found) == 5
    assert Counter(task["task_type"] for task in found)["pay"] <= 2
    assert max(Counter(tenants[job_id] for job_id in jobs_of(found)).values()) <= 2


@pytest.mark.parametrize("want", [1, 10])
def test_tenants_are_served_in_turn_under_a_limit(
    calls: Calls, open_worker: OpenWorker, queue_name: str, want: int
) -> None:
    """Where a full limit lets nothing through, the turn stays where it was, also beside unlimited work."""
    for tenant in ("a", "b", "c", "d"):
        calls.enqueue_new(queue_name, 3, "pay", tenant=tenant)
    calls.enqueue_new(queue_name, 500, "mail")
    calls.limit_running({"task_type": "pay", "running_limit": 1})
    tenants = dict(calls.connection.execute("select job_id::text, tenant from jobs").fetchall())
    worker = open_worker(task_types=["pay", "mail"])
    served = ""
    for _ in range(40):
        paid = [task for task in worker.claim(want) if task["task_type"] == "pay"]
        if paid:
            served += tenants[paid[0]["job_id"]]
            assert worker.claim(want) + worker.claim(want)
            worker.finish(endings(paid, "done"))
    assert served.startswith("abcdabcd")


def test_a_limited_backlog_hides_nothing(calls: Calls, open_worker: OpenWorker, queue_name: str) -> None:
    """10,000 that wait when it is set are set apart as they are met, what comes later at once."""
    for _ in range(10):
        calls.enqueue_new(queue_name, 1000)
    ids = calls.enqueue_new(queue_name, 20, "mail")
    calls.limit_running({"task_type": "count", "running_limit": 2})
    worker = open_worker(task_types=["count", "mail"])
    found = worker.claim(30)
    assert Counter(task["task_type"] for task in found) == {"count": 2, "mail": 20}
    assert {task["job_id"] for task in found if task["task_type"] == "mail"} == set(ids)
    calls.enqueue_new(queue_name, 50, "count")
    [late] = calls.enqueue_new(queue_name, 1, "mail")
    assert jobs_of(worker.claim(1)) == [late]
    assert calls.value("select count(*) from job_tasks where status = 'pending' and tenant is null") == 0
    assert calls.value("select count(*) from jobs where tenant is not null") == 0
    worker.finish(endings(found, "done"))
    calls.limit_running({"task_type": "count"})
    [after] = calls.enqueue_new(queue_name, 1, "count")
    found = worker.claim_all(1000)
    assert len(found) == 10_048 + 1
    assert after in jobs_of(found)


def test_a_lost_lease_frees_its_place(calls: Calls, open_worker: OpenWorker, queue_name: str) -> None:
    calls.enqueue_new(queue_name, 3)
    calls.limit_running({"queue": queue_name, "running_limit": 1})
    dead, worker = open_worker(), open_worker()
    [lost] = dead.claim(10)
    assert worker.claim(10) == []
    expire(calls.connection, [lost])
    worker.look_again_for_expired()
    assert len(worker.claim(10)) == 1


def test_what_is_claimed_alone_is_limited_too(calls: Calls, open_worker: OpenWorker, queue_name: str) -> None:
    [lone] = suspects(calls, open_worker, queue_name, 1)
    calls.enqueue_new(queue_name, 2, "mail")
    mail, worker = open_worker(task_types=["mail"]), open_worker()
    calls.limit_running({"queue": queue_name, "running_limit": 1})
    held = mail.claim(1)
    assert worker.claim(10) == []
    mail.finish(endings(held, "done"))
    assert jobs_of(worker.claim(10)) == [lone]
    assert mail.claim(1) == []


def test_a_limit_counts_what_runs_when_it_is_set(calls: Calls, worker: Worker, queue_name: str) -> None:
    calls.enqueue_new(queue_name, 6)
    held = worker.claim(3)
    calls.limit_running({"queue": queue_name, "running_limit": 3})
    assert worker.claim(10) == []
    worker.finish(endings(held[:1], "done"))
    assert len(worker.claim(10)) == 1
    calls.limit_running({"queue": queue_name, "running_limit": 1})
    worker.finish(endings(held[1:2], "done"))
    assert worker.claim(10) == []
    calls.limit_running({"queue": queue_name})
    assert len(worker.claim(10)) == 2


def test_a_window_begins_with_its_first_lease(calls: Calls, worker: Worker, queue_name: str) -> None:
    calls.enqueue_new(queue_name, 10)
    calls.limit_running({"queue": queue_name, "starts_limit": 3, "starts_seconds": 60})
    held = worker.claim(2)
    worker.finish(endings(held, "not_started"))
    assert len(worker.claim(10)) == 1
    assert (worker.claim(10), worker.last["more"]) == ([], False)
    assert 50 < worker.last["wait_seconds"] <= 60
    calls.connection.execute("update job_limit_windows set ends_at = clock_timestamp()")
    assert len(worker.claim(10)) == 3
    assert calls.value("select count(*) from job_limit_windows") == 1


def test_each_tenant_has_windows_of_its_own(calls: Calls, worker: Worker, queue_name: str) -> None:
    for tenant in ("a", "b", None):
        calls.enqueue_new(queue_name, 3, tenant=tenant)
    calls.limit_running({"task_type": "count", "each_tenant": True, "starts_limit": 2, "starts_seconds": 60})
    assert len(worker.claim_all(10)) == 2 + 2 + 3
    calls.connection.execute("update job_limit_windows set ends_at = clock_timestamp() where tenant = 'b'")
    assert len(worker.claim_all(10)) == 1


def test_limits_are_listed_with_what_runs(calls: Calls, worker: Worker, queue_name: str) -> None:
    request = str(uuid4())
    limit = {"queue": queue_name, "task_type": None, "each_tenant": False, "running_limit": 5}
    rate = {"starts_limit": 7, "starts_seconds": 60}
    told = limit | rate | {"changed_by": "ada"}
    assert calls.limit_running(limit | rate, changed_by="ada", request_id=request) == [told]
    calls.enqueue_new(queue_name, 2)
    worker.claim(2)
    assert calls.call("list_running_limits_v1") == [told | {"running": 2, "starts": 2}]
    nothing = dict.fromkeys(told) | {"queue": queue_name, "each_tenant": False}
    assert calls.limit_running({"queue": queue_name}) == [nothing]
    assert calls.limit_running(limit | rate, changed_by="ada", request_id=request) == [nothing]
    assert calls.call("list_running_limits_v1") == []


@pytest.mark.parametrize(
    ("limit", "field"),
    [
        ({"running_limit": 1}, "queue: expected one, or a task_type"),
        ({"queue": "q", "running_limit": 0}, "running_limit: expected 1 to 100000"),
        ({"queue": "q", "starts_limit": 1}, "starts_seconds: expected 0.1 to 2678400 together"),
        ({"queue": "q", "starts_limit": 1, "starts_seconds": 0.01}, "starts_seconds: expected 0.1"),
        ({"queue": "q", "starts_seconds": 5}, "starts_seconds: expected 0.1 to 2678400 together"),
        ({"queue": "q", "running": 1}, "running: this option is not known"),
    ],
)
def test_a_limit_that_says_not_enough_is_refused_by_name(calls: Calls, limit: Row, field: str) -> None:
    with pytest.raises(psycopg.Error, match=rf"^limits\[0\]\.{field}"):
        calls.limit_running(limit)


def test_probes_and_shadows_pass_a_limited_type(
    calls: Calls, open_worker: OpenWorker, queue_name: str
) -> None:
    calls.limit_running({"task_type": "supaqueue.probe", "running_limit": 1})
    job: Any = new_job(queue_name)
    calls.enqueue(job)
    calls.call("send_probes_v1", queues=[queue_name])
    worker = open_worker(task_types=["count", "supaqueue.probe"])
    assert sorted(task["purpose"] for task in worker.claim_all(10)) == ["probe", "run"]


def test_what_a_limit_may_hold_back_is_no_growing_backlog(calls: Calls, queue_name: str) -> None:
    """Of three types that wait for a minute; one is limited, one has tenants that are."""
    calls.limit_running(
        {"task_type": "pay", "running_limit": 1},
        {"queue": queue_name, "each_tenant": True, "running_limit": 1},
    )
    calls.enqueue_new(queue_name, 1, "pay")
    calls.enqueue_new(queue_name, 1, "mail", tenant="a")
    calls.enqueue_new(queue_name, 1, "count")
    calls.connection.execute("update job_tasks set run_at = run_at - interval '1 minute'")
    rows = calls.connection.execute(
        "select task_type, unfinished, oldest_seconds >= 60 from supaqueue_unfinished_tasks(now())"
    ).fetchall()
    assert sorted(rows) == [("count", 1, True), ("mail", 1, False), ("pay", 1, False)]


def test_a_probe_in_a_queue_whose_rate_is_used_up_waits_its_turn(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    seen = "select supaqueue_look_at_queue(%s)"
    calls.enqueue_new(queue_name, 1)
    calls.limit_running({"queue": queue_name, "starts_limit": 1, "starts_seconds": 60})
    assert calls.value(seen, [queue_name]) == "idle"
    worker.finish(endings(worker.claim(1), "done"))
    assert calls.value(seen, [queue_name]) == "busy"
    calls.connection.execute("update job_limit_windows set ends_at = clock_timestamp()")
    assert calls.value(seen, [queue_name]) == "idle"
