"""Order keys: one task of a key at a time, in order, through every way in which a turn can end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.sql.calls import Calls, Row, Worker, answers, endings, expire, new_job, pass_deadline
from tests.sql.checks import failed_checks, resync
from tests.sql.flags import begin, hand_back_pass, owner_of, set_flag
from tests.sql.retention import DAY, grow_older, prune

OpenWorker = Callable[..., Worker]


def ordered(calls: Calls, queue: str, *keys: str, **options: Any) -> list[str]:
    """Enqueue one job for each of the keys, in one call; return their ids."""
    jobs = [new_job(queue, order_key=key, **options) for key in keys]
    assert answers(calls.enqueue(*jobs)) == ["created"] * len(jobs)
    return [job["job_id"] for job in jobs]


def ids(tasks: list[Row]) -> list[str]:
    return [task["job_id"] for task in tasks]


def states(calls: Calls, *job_ids: str) -> list[str]:
    return [calls.task(job_id)["status"] for job_id in job_ids]


def release(calls: Calls, queue: str, *keys: str, **options: Any) -> list[Row]:
    arguments = {"request_id": str(uuid4()), "reason": None, "changed_by": "ada"}
    named = [{"queue": queue, "order_key": key} for key in keys]
    return list(calls.call("release_keys_v1", keys=named, **arguments | options))


def blocked_keys(
    calls: Calls, queue: str | None = None, page: str | None = None, page_size: int = 100
) -> Row:
    return dict(calls.call("list_blocked_keys_v1", queue=queue, page=page, page_size=page_size))


def test_a_key_runs_one_at_a_time_in_order_and_keys_in_parallel(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    jobs = ordered(calls, queue_name, "a", "a", "b", "a", "b", "c")
    plain = calls.enqueue_new(queue_name, 1)
    assert states(calls, *jobs) == ["blocked"] * 6
    first = worker.claim()
    assert sorted(ids(first)) == sorted([jobs[0], jobs[2], jobs[5], *plain]), "in the claim that finds them"
    assert worker.claim() == []
    worker.finish(endings(first, "done"))
    second = worker.claim()
    assert sorted(ids(second)) == sorted([jobs[1], jobs[4]])
    worker.finish(endings(second, "done"))
    assert ids(worker.claim()) == [jobs[3]]


def test_keys_are_served_in_turn(calls: Calls, worker: Worker, queue_name: str) -> None:
    many = ordered(calls, queue_name, *["many"] * 50)
    few = ordered(calls, queue_name, "few", "few")
    served = []
    for _ in range(4):
        tasks = worker.claim(1)
        served += ids(tasks)
        worker.finish(endings(tasks, "done"))
    assert served == [many[0], few[0], many[1], few[1]]


def test_a_key_is_of_its_queue(calls: Calls, open_worker: OpenWorker, queue_name: str) -> None:
    worker = open_worker(queues=[queue_name, f"{queue_name}-2"])
    jobs = [*ordered(calls, queue_name, "a"), *ordered(calls, f"{queue_name}-2", "a")]
    assert sorted(ids(worker.claim())) == sorted(jobs)


@pytest.mark.parametrize("outcome", ["retry", "snooze", "not_started", "lost"])
def test_what_returns_keeps_its_turn(calls: Calls, worker: Worker, queue_name: str, outcome: str) -> None:
    first, second = ordered(calls, queue_name, "a", "a")
    tasks = worker.claim()
    if outcome == "lost":
        expire(calls.connection, tasks)
        worker.look_again_for_expired()
    else:
        worker.finish(endings(tasks, outcome, after_seconds=0))
    again = worker.claim()
    assert ids(again) == [first]
    assert states(calls, second) == ["blocked"]


@pytest.mark.parametrize("way", ["retry", "run_at"])
def test_those_behind_wait_for_a_head_that_waits_for_its_time(
    calls: Calls, worker: Worker, queue_name: str, way: str
) -> None:
    first = ordered(calls, queue_name, "a", **({"delay_seconds": 3600} if way == "run_at" else {}))
    second = ordered(calls, queue_name, "a")
    if way == "retry":
        worker.finish(endings(worker.claim(), "retry", after_seconds=3600))
    assert worker.claim() == []
    assert states(calls, *first, *second) == ["pending", "blocked"]
    assert worker.last["wait_seconds"] > 3000
    calls.connection.execute("update job_tasks set run_at = now() where status = 'pending'")
    for mark in worker.marks.values():
        mark.pop("due", None)
    assert ids(worker.claim()) == first


@pytest.mark.parametrize("on_failure", ["block", "continue", None])
def test_a_failed_task_blocks_its_key_or_lets_go(
    calls: Calls, worker: Worker, queue_name: str, on_failure: str | None
) -> None:
    declared = {"order_on_failure": on_failure} if on_failure else {}
    first, second = ordered(calls, queue_name, "a", "a", **declared)
    dead = worker.fail()
    assert ids(worker.claim()) == ([second] if on_failure == "continue" else [])
    if on_failure != "continue":
        assert calls.replay(*dead) == ["replayed"]
        assert ids(worker.claim()) == [first]


def test_a_blocked_key_is_listed_and_released(calls: Calls, worker: Worker, queue_name: str) -> None:
    jobs = ordered(calls, queue_name, "a", "a", "a", "b", "b")
    worker.fail(2)
    listed = blocked_keys(calls, queue_name)
    assert [
        (key["order_key"], key["job_id"], key["waiting"], key["error_type"]) for key in listed["blocked_keys"]
    ] == [
        ("a", jobs[0], 2, "ValueError"),
        ("b", jobs[3], 1, "ValueError"),
    ]
    request = {"request_id": str(uuid4()), "reason": "mended by hand"}
    told = release(calls, queue_name, "a", "c", **request)
    assert [(row["answer"], row["job_id"]) for row in told] == [("released", jobs[0]), ("not_blocked", None)]
    assert release(calls, queue_name, "a", "c", **request) == told, "a repeat"
    assert [key["order_key"] for key in blocked_keys(calls)["blocked_keys"]] == ["b"]
    assert ids(worker.claim()) == [jobs[1]]
    assert states(calls, jobs[0]) == ["failed"]
    change = calls.value("select change from job_changes")
    assert (change["keys"][0]["order_key"], change["reason"]) == ("a", "mended by hand")


def test_blocked_keys_by_page(calls: Calls, worker: Worker, queue_name: str) -> None:
    keys = ["b", 'with "quotes", \\ and ü', "a", "x" * 200, "c"]
    ordered(calls, queue_name, *keys)
    worker.fail(5)
    found: list[str] = []
    page = None
    while True:
        answer = blocked_keys(calls, page=page, page_size=2)
        found += [key["order_key"] for key in answer["blocked_keys"]]
        page = answer["next_page"]
        if page is None:
            break
    assert sorted(found) == sorted(keys)
    assert len(found) == 5


def test_what_let_go_and_is_replayed_goes_ahead_of_those_behind_it(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    first, second, third = ordered(calls, queue_name, "a", "a", "a", order_on_failure="continue")
    dead = worker.fail()
    held = worker.claim()
    assert ids(held) == [second]
    assert calls.replay(*dead) == ["replayed"]
    assert worker.claim() == []
    assert states(calls, first) == ["blocked"]
    worker.finish(endings(held, "done"))
    assert ids(worker.claim()) == [first]
    assert states(calls, third) == ["blocked"]


def test_every_other_end_of_a_turn_hands_it_on(calls: Calls, worker: Worker, queue_name: str) -> None:
    """A cancel, an abandoning, a deadline, a dropped dead letter, a handler that cancels, a deleted job."""
    jobs = ordered(calls, queue_name, *["a"] * 7)
    worker.claim(0)
    for job_id, undo in ((jobs[0], calls.cancel), (jobs[1], calls.abandon)):
        assert calls.task(job_id)["status"] == "pending"
        undo(job_id)
        worker.claim(0)
    pass_deadline(calls.connection, [jobs[2]])
    worker.look_again_for_deadlines()
    worker.claim(0)
    assert states(calls, jobs[2]) == ["failed"], "which blocks"
    assert calls.drop({"job_id": jobs[2], "task_number": 0, "lease_token": 0}) == ["dropped"]
    held = worker.claim()
    assert ids(held) == [jobs[3]]
    worker.finish(endings(held, "cancel"))
    worker.claim(0)
    calls.connection.execute("delete from jobs where job_id = %s", [jobs[4]])
    assert ids(worker.claim()) == [jobs[5]]
    assert states(calls, jobs[6]) == ["blocked"]


def test_who_waits_can_be_cancelled(calls: Calls, worker: Worker, queue_name: str) -> None:
    first, second, third = ordered(calls, queue_name, "a", "a", "a")
    held = worker.claim()
    assert calls.cancel(second) == ["cancelled"]
    worker.finish(endings(held, "done"))
    assert ids(worker.claim()) == [third]
    assert states(calls, first, second) == ["completed", "cancelled"]


def test_a_deadline_that_passes_while_a_task_waits_passes_when_its_turn_comes(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    _, second, third = ordered(
        calls, queue_name, "a", "a", "a", order_on_failure="continue", deadline_seconds=600
    )
    held = worker.claim()
    calls.connection.execute(
        "update job_tasks set deadline_at = now() - interval '1 hour' where job_id = %s", [second]
    )
    worker.claim()
    worker.finish(endings(held, "done"))
    found = []
    for _ in range(3):
        worker.look_again_for_deadlines()
        found += worker.claim()
    assert calls.task(second)["error"]["type"] == "DeadlineExceeded"
    assert ids(found) == [third]


def test_priorities_and_tenants_are_among_heads_only(calls: Calls, worker: Worker, queue_name: str) -> None:
    low = ordered(calls, queue_name, "a", priority=-1)
    high = ordered(calls, queue_name, "a", "b", priority=5, tenant="t")
    assert ids(worker.claim(1)) == [high[1]]
    assert ids(worker.claim()) == low


def test_a_retention_keeps_what_blocks_its_key(calls: Calls, worker: Worker, queue_name: str) -> None:
    jobs = ordered(calls, queue_name, "a", "b")
    worker.fail(2)
    release(calls, queue_name, "b")
    grow_older(calls, 2, jobs)
    prune(calls, {"failed_seconds": DAY})
    assert [job is None for job in calls.get(*jobs)] == [False, True]


def test_many_keys_take_several_claims_and_say_so(calls: Calls, worker: Worker, queue_name: str) -> None:
    jobs = ordered(calls, queue_name, *(f"k{n}" for n in range(450)))
    found = worker.claim(1000)
    assert len(found) == 200
    assert worker.last["more"] is True
    found += worker.claim(1000) + worker.claim(1000)
    assert sorted(ids(found)) == sorted(jobs)
    assert calls.value("select count(*) from job_order_key_signals") == 0


def test_a_repeat_and_a_bulk_enqueue_of_two_keys_in_one_call(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    jobs = [new_job(queue_name, order_key="a"), new_job(queue_name, order_key="b")]
    assert answers(calls.enqueue(*jobs)) == ["created"] * 2
    assert answers(calls.enqueue(*jobs)) == ["exists"] * 2
    assert sorted(ids(worker.claim())) == sorted(job["job_id"] for job in jobs)
    assert answers(calls.enqueue(*jobs)) == ["exists"] * 2
    assert worker.claim() == []


def test_a_unique_job_that_is_met_while_it_waits_for_its_turn(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    """It can be replaced, and keeps its place; whoever has an order key replaces nothing."""
    unique = {"unique_key": "u", "unique_until": "finished"}
    ordered(calls, queue_name, "a")
    [waiting] = ordered(calls, queue_name, "a", **unique, unique_conflict="reject")
    newer = new_job(queue_name, **unique, unique_conflict="replace", payload="new")
    assert answers(calls.enqueue(newer)) == ["replaced"]
    task = calls.task(waiting)
    assert (task["status"], task["payload"]) == ("blocked", "new")
    with pytest.raises(psycopg.Error, match="order_key: expected none together with unique_conflict"):
        calls.enqueue(newer | {"order_key": "a"})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"order_key": ""}, "order_key: expected 1 to 200 characters"),
        ({"order_on_failure": "block"}, "order_on_failure: expected none without order_key"),
        ({"order_key": "a", "order_on_failure": "retry"}, "order_on_failure: expected block or continue"),
        ({"order_key": "a", "owner": "legacy"}, "order_key: expected none for a job that legacy owns"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    calls: Calls, queue_name: str, options: Row, said: str
) -> None:
    with pytest.raises(psycopg.Error, match=said):
        calls.enqueue(new_job(queue_name, **options))


DAMAGE = [
    ("update job_tasks set status = 'failed', blocks_key = false, finished_at = now(), position = null"
     " where status = 'pending'; delete from job_order_key_signals", "no key stands still", 1),
    ("delete from job_order_key_queues", "claims look for keys", 1),
    ("update job_tasks set key_position = null where status = 'blocked'", "a task has a place in its key", 2),
    ("drop index job_tasks_in_turn; update job_tasks set status = 'pending' where status = 'blocked'",
     "at most one task has the turn", 0),
    ("update job_task_attempts set ended_at = 'infinity'", "no two leases", 0),
    ("update job_tasks set position = 1 where status = 'blocked'", "what waits for its turn is not ready", 0),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "check", "mended"), DAMAGE, ids=[check for _, check, _ in DAMAGE])
def test_damage_is_seen_and_mended(
    calls: Calls, worker: Worker, queue_name: str, damage: str, check: str, mended: int
) -> None:
    ordered(calls, queue_name, *["a"] * 5)
    for _ in range(2):
        worker.finish(endings(worker.claim(), "done"))
    worker.claim(0)
    assert failed_checks(calls.connection) == []
    calls.connection.execute("begin")
    calls.connection.execute(damage.encode())
    assert [found for found in failed_checks(calls.connection) if check in found]
    assert resync(calls.connection, "resync_order_keys") == mended
    assert bool([found for found in failed_checks(calls.connection) if check in found]) == (mended == 0)
    assert resync(calls.connection, "resync_order_keys") == 0
    calls.connection.execute("rollback")


def test_a_resync_lets_a_key_that_stood_still_go_on(calls: Calls, worker: Worker, queue_name: str) -> None:
    jobs = ordered(calls, queue_name, "a", "a")
    worker.claim(0)
    calls.cancel(jobs[0])
    calls.connection.execute("delete from job_order_key_signals")
    assert worker.claim() == []
    assert resync(calls.connection, "resync_order_keys") == 1
    assert ids(worker.claim()) == [jobs[1]]


def test_during_a_cutover_order_keys_are_refused_and_no_job_with_one_is_handed_over(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    """None is there when a cutover begins. Had one come all the same, it would be held and drained here."""
    begin(calls.connection, "live", holdback_percent=0)
    with pytest.raises(psycopg.Error, match="order_key is for task types whose cutover is") as refused:
        ordered(calls, queue_name, "a")
    assert refused.value.sqlstate == "SQ005"
    jobs = calls.enqueue_new(queue_name, 3)
    calls.connection.execute(
        "update job_tasks set status = 'blocked', position = null, order_key = 'a', key_position = position;"
        "insert into job_order_key_queues select distinct queue from job_tasks;"
        "insert into job_order_key_signals (queue, order_key) select distinct queue, 'a' from job_tasks"
    )
    worker.claim(0)
    for which in ("not_started", "all"):
        set_flag(calls.connection, is_enabled=False, rollout_percent=0, hand_back=which, drain=True)
        hand_back_pass(calls)
        held = worker.claim()
        assert len(held) == 1
        worker.finish(endings(held, "done"))
    hand_back_pass(calls)
    assert {owner_of(calls, job_id)[0] for job_id in jobs} == {"supabase"}


def test_no_cutover_begins_while_tasks_wait_behind_one_that_failed(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    ordered(calls, queue_name, "a", "a")
    worker.fail()
    with pytest.raises(psycopg.Error, match="no job is unfinished"):
        begin(calls.connection, "live", holdback_percent=0)


def test_a_limit_of_how_many_may_wait_counts_those_that_wait_for_a_turn(
    calls: Calls, queue_name: str
) -> None:
    limit = {"request_id": str(uuid4()), "changed_by": None, "waiting_limit": 3, "on_full": "refuse"}
    calls.call("limit_waiting_v1", queues=[queue_name], **limit)
    ordered(calls, queue_name, "a", "a", "a")
    with pytest.raises(psycopg.Error, match="3 of at most 3 jobs wait"):
        ordered(calls, queue_name, "a")
