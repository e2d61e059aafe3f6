"""Who owns a new job: what the flag says, what the row says, and what becomes of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from supaqueue.job_id import bucket_of
from tests.sql.calls import Calls, Row, Worker, answers, endings, leases, new_job
from tests.sql.flags import (
    begin,
    emergency,
    handed_over,
    id_in,
    job_row,
    listed,
    mirrors,
    own_flag,
    owner_of,
    set_flag,
)

OpenWorker = Callable[..., Worker]


def placed(calls: Calls, bucket: int, task_type: str = "count", tenant: str | None = None) -> str:
    """Who owns a job of this bucket, by the flag as it stands: told by whether Supabase may have it."""
    job = new_job("q", task_type, job_id=id_in(bucket), owner="supabase") | (
        {"tenant": tenant} if tenant else {}
    )
    [answer] = calls.enqueue(job)
    return {"created": "supabase", "flag_changed": "legacy"}[answer["answer"]]


@pytest.mark.parametrize(
    ("stage", "columns", "bounds"),
    [
        ("off", {}, (0, 0)),
        ("mirror", {}, (0, 0)),
        ("shadow", {}, (0, 0)),
        ("canary", {"rollout_percent": 0.01}, (0, 1)),
        ("canary", {"rollout_percent": 12.34}, (0, 1234)),
        ("canary", {"rollout_percent": 99.99, "holdback_percent": 2}, (0, 9999)),
        ("canary", {"rollout_percent": 0}, (0, 0)),
        ("canary", {"is_enabled": False, "rollout_percent": 50}, (0, 0)),
        ("live", {"holdback_percent": 2}, (0, 9800)),
        ("live", {"holdback_percent": 0}, (0, 10000)),
        ("live", {"holdback_percent": 0.01}, (0, 9999)),
        ("live", {"holdback_percent": 100}, (0, 0)),
    ],
)
def test_the_bucket_decides(
    calls: Calls, stage: str, columns: dict[str, Any], bounds: tuple[int, int]
) -> None:
    begin(calls.connection, stage, **columns)
    for edge in {0, 9999, bounds[0], bounds[1] - 1, bounds[1]} & set(range(10000)):
        expected = "supabase" if bounds[0] <= edge < bounds[1] else "legacy"
        assert placed(calls, edge) == expected, edge


@pytest.mark.parametrize("is_enabled", [True, False])
def test_complete_never_gives_a_job_to_legacy(calls: Calls, worker: Worker, is_enabled: bool) -> None:
    set_flag(calls.connection, is_enabled=is_enabled, rollout_percent=0, legacy_tenants=["acme"])
    assert placed(calls, 9999, tenant="acme") == "supabase"


def test_a_tenant_is_pinned_to_either_side_while_the_percent_is_above_0(calls: Calls) -> None:
    lists = {"supabase_tenants": ["near", "both"], "legacy_tenants": ["far", "both"]}
    begin(calls.connection, "canary", rollout_percent=50, **lists)
    assert [placed(calls, 1, tenant=t) for t in ("near", "far", "both", "other")] == [
        "supabase",
        "legacy",
        "legacy",
        "supabase",
    ]
    assert [placed(calls, 9999, tenant=t) for t in ("near", "far", "other")] == [
        "supabase",
        "legacy",
        "legacy",
    ]
    set_flag(calls.connection, rollout_percent=100, holdback_percent=2)
    assert placed(calls, 9999, tenant="near") == "supabase"
    set_flag(calls.connection, rollout_percent=0)
    assert placed(calls, 1, tenant="near") == "legacy"


def test_a_types_row_replaces_the_overall_one_which_wins_when_it_is_off(calls: Calls) -> None:
    begin(calls.connection, "canary", rollout_percent=10)
    own_flag(calls, "own", rollout_percent=50)
    assert (placed(calls, 4999, "own"), placed(calls, 4999)) == ("supabase", "legacy")
    set_flag(calls.connection, "own", rollout_percent=0)
    assert (placed(calls, 999, "own"), placed(calls, 999)) == ("legacy", "supabase")
    set_flag(calls.connection, "own", rollout_percent=100)
    set_flag(calls.connection, is_enabled=False)
    assert placed(calls, 0, "own") == "legacy"


def test_flag_changed_is_for_new_rows_alone(calls: Calls, queue_name: str) -> None:
    """What is here has an owner for good, whatever the flag says by now."""
    begin(calls.connection, "live", holdback_percent=0)
    old, other, legacy = (new_job(queue_name, owner="supabase") for _ in range(3))
    legacy |= {"owner": "legacy"}
    calls.enqueue(old, legacy)
    emergency(calls.connection)
    rows = [
        old,
        other,
        legacy,
        old | {"payload": 7},
        old | {"owner": "legacy"},
        legacy | {"owner": "supabase"},
    ]
    reply = calls.enqueue(*rows)
    assert answers(reply) == ["exists", "flag_changed", "exists", "conflict", "exists", "exists"]
    assert [row["owner"] for row in reply] == ["supabase", None, "legacy", "supabase", "supabase", "legacy"]
    assert calls.get(other["job_id"]) == [None]
    assert answers(calls.enqueue(other | {"owner": "legacy"})) == ["created"]


def test_what_is_refused_hinders_no_other(calls: Calls, queue_name: str) -> None:
    begin(calls.connection, "canary", rollout_percent=50)
    low, high = (new_job(queue_name, job_id=id_in(bucket), owner="supabase") for bucket in (1, 5000))
    assert answers(calls.enqueue(low, high, high, low)) == [
        "created",
        "flag_changed",
        "flag_changed",
        "exists",
    ]
    assert calls.value("select count(*) from jobs") == 1


def test_the_owner_is_no_content(calls: Calls, queue_name: str) -> None:
    """A router's repeat without a ticket carries no owner; it is the same job."""
    begin(calls.connection, "live", holdback_percent=0)
    job = new_job(queue_name, owner="legacy")
    assert answers(calls.enqueue(job)) == ["created"]
    del job["owner"]
    [answer] = calls.enqueue(job)
    assert (answer["answer"], answer["owner"]) == ("exists", "legacy")
    assert answers(calls.enqueue(job | {"tenant": "acme"})) == ["conflict"]


@pytest.mark.parametrize("stage", ["off", "mirror", "shadow", "canary", "live"])
def test_a_legacy_owned_row_is_inert(calls: Calls, worker: Worker, queue_name: str, stage: str) -> None:
    begin(calls.connection, stage, shadow_percent=0)
    ids = calls.enqueue_new(queue_name, 2, owner="legacy") + calls.enqueue_new(
        queue_name, owner="legacy", delay_seconds=60
    )
    assert {owner_of(calls, job_id) for job_id in ids} == {("legacy", 0, "mirrored", "none")}
    positions = "select status, position from job_tasks"
    assert set(calls.connection.execute(positions).fetchall()) == {("mirrored", None)}
    assert worker.claim_all() == []
    assert calls.cancel(*ids) == ["not_owner"] * 3
    assert calls.abandon(ids[0]) == ["started"]


@pytest.mark.parametrize(("stage", "state"), [("canary", "due"), ("live", "due"), ("complete", "none")])
def test_what_supabase_owns_is_its_own_outbox(
    calls: Calls, worker: Worker, queue_name: str, stage: str, state: str
) -> None:
    if stage != "complete":
        begin(calls.connection, stage, holdback_percent=0)
    job = new_job(queue_name, job_id=id_in(0), owner="supabase")
    calls.enqueue(job)
    assert owner_of(calls, job["job_id"]) == ("supabase", 0, "pending", state)
    worker.finish(endings(worker.claim(), "done"))
    ended = "end_due" if state == "due" else "none"
    assert owner_of(calls, job["job_id"]) == ("supabase", 0, "completed", ended)


def test_an_unrouted_job_that_legacy_would_own_is_refused_and_nothing_is_stored(
    calls: Calls, queue_name: str
) -> None:
    begin(calls.connection, "canary", rollout_percent=50)
    low, high = (new_job(queue_name, job_id=id_in(bucket)) for bucket in (1, 5000))
    with pytest.raises(psycopg.Error, match="would be owned by the legacy queue") as raised:
        calls.enqueue(low, high)
    assert raised.value.sqlstate == "SQ005"
    assert calls.value("select count(*) from jobs") == 0
    assert answers(calls.enqueue(low)) == ["created"]
    assert owner_of(calls, low["job_id"]) == ("supabase", 0, "pending", "due")


def test_an_unrouted_job_is_relayed_where_that_is_declared(calls: Calls, queue_name: str) -> None:
    begin(calls.connection, "canary", rollout_percent=50, relays_unrouted=True)
    low, high = (new_job(queue_name, job_id=id_in(bucket)) for bucket in (1, 5000))
    assert [row["owner"] for row in calls.enqueue(low, high)] == ["supabase", "legacy"]
    assert owner_of(calls, high["job_id"]) == ("legacy", 1, "mirrored", "release_due")
    assert answers(calls.enqueue(high)) == ["exists"]
    assert list(listed(calls, "release_due")) == [high["job_id"]]


def test_while_the_environment_steers_an_unrouted_job_is_nobodys(calls: Calls, queue_name: str) -> None:
    """The flag stands at live, but the environment, which is not known here, may say mirror."""
    begin(calls.connection, "live", by_environment=True, holdback_percent=0)
    with pytest.raises(psycopg.Error, match="would be owned by the legacy queue"):
        calls.enqueue_new(queue_name)
    assert answers(calls.enqueue(new_job(queue_name, owner="supabase"))) == ["created"]
    set_flag(calls.connection, relays_unrouted=True)
    [row] = calls.enqueue(new_job(queue_name))
    assert row["owner"] == "legacy"


def ticked(calls: Calls) -> Row:
    """Declare a schedule, and let one tick of it be due."""
    job = {"queue": "q", "task_type": "count", "payload": {}}
    schedule = {"schedule_name": "nightly", "cron": "0 7 * * *", "time_zone": "UTC", "job": job}
    [answer] = calls.call("declare_schedules_v1", schedules=[schedule])
    calls.connection.execute("update job_schedules set ticked_through = '2026-01-01'")
    tick = "2026-01-02T07:00:00Z"
    row = {"schedule_name": "nightly", "version": answer["version"], "ticks": [tick], "through": tick}
    return dict(calls.call("tick_schedules_v1", schedules=[row])[0]["ticks"][0])


def test_a_schedules_tick_is_refused_while_legacy_would_own_it(calls: Calls) -> None:
    """And still undecided: it ticks once its job has an owner."""
    begin(calls.connection, "mirror")
    with pytest.raises(psycopg.Error, match="would be owned by the legacy queue"):
        ticked(calls)
    through = calls.value("select ticked_through < '2026-01-02' from job_schedules")
    assert through is True


def test_a_schedules_tick_is_relayed_where_that_is_declared(calls: Calls) -> None:
    begin(calls.connection, "mirror", relays_unrouted=True)
    tick = ticked(calls)
    assert tick["answer"] == "created"
    assert owner_of(calls, tick["job_id"]) == ("legacy", 1, "mirrored", "release_due")


# Shadows


def with_shadow(calls: Calls, queue: str, **options: Any) -> str:
    [job_id] = calls.enqueue_new(queue, owner="legacy", **options)
    return job_id


def tasks_of(calls: Calls, job_id: str) -> list[tuple[str, str]]:
    query = "select purpose, status from job_tasks where job_id = %s order by task_number"
    return calls.connection.execute(query, [job_id]).fetchall()


def test_a_share_of_legacys_jobs_has_a_shadow(calls: Calls, queue_name: str) -> None:
    begin(calls.connection, "shadow", shadow_percent=12.5)
    for bucket, tasks in ((0, 2), (1249, 2), (1250, 1), (9999, 1)):
        job_id = with_shadow(calls, queue_name, job_id=id_in(bucket))
        assert len(tasks_of(calls, job_id)) == tasks


def test_a_shadow_is_run_and_seen_by_nobody(calls: Calls, worker: Worker, queue_name: str) -> None:
    begin(calls.connection, "shadow")
    job_id = with_shadow(calls, queue_name)
    [task] = worker.claim()
    assert (task["purpose"], task["job_id"], task["max_attempts"]) == ("shadow", job_id, 1)
    assert worker.last["closed"] == ["count"]
    worker.heartbeat([task], [task])
    before = job_row(calls, job_id)
    assert worker.finish(endings([task], "done", result={"n": 1}))[0]["answer"] == "recorded"
    assert job_row(calls, job_id) == before
    assert tasks_of(calls, job_id) == [("run", "mirrored"), ("shadow", "completed")]
    assert [t["task_number"] for t in calls.job(job_id)["tasks"]] == [0]
    page = calls.call("list_jobs_v1", filter={}, page=None, page_size=10)
    assert [t["task_number"] for t in page["jobs"][0]["tasks"]] == [0]
    counts = calls.call("count_jobs_v1", queues=None)["counts"]
    assert [(row["status"], row["tasks"]) for row in counts] == [("mirrored", 1)]


@pytest.mark.parametrize("outcome", ["retry", "fail"])
def test_a_shadow_is_never_run_twice(calls: Calls, worker: Worker, queue_name: str, outcome: str) -> None:
    begin(calls.connection, "shadow")
    job_id = with_shadow(calls, queue_name)
    [task] = worker.claim()
    worker.finish(endings([task], outcome, error={"type": "E", "message": "no"}))
    assert tasks_of(calls, job_id)[1] == ("shadow", "failed")
    assert calls.list_dead_letters()["dead_letters"] == []
    assert calls.replay(*leases([task])) == ["not_failed"]
    assert worker.claim_all() == []


def test_the_emergency_update_stops_shadows(calls: Calls, worker: Worker, queue_name: str) -> None:
    begin(calls.connection, "shadow")
    with_shadow(calls, queue_name)
    emergency(calls.connection)
    assert worker.claim_all() == []
    assert len(tasks_of(calls, with_shadow(calls, queue_name))) == 1


def test_a_shadow_outlasts_its_job_and_changes_nothing(calls: Calls, worker: Worker, queue_name: str) -> None:
    """The job is taken over, and cancelled while its shadow runs."""
    begin(calls.connection, "shadow")
    job = new_job(queue_name)
    calls.enqueue(job | {"owner": "legacy"})
    [task] = worker.claim()
    calls.call("take_over_jobs_v1", jobs=[job])
    won = {"job_id": job["job_id"], "epoch": 0, "won": True}
    calls.call("open_taken_over_jobs_v1", jobs=[won])
    assert calls.cancel(job["job_id"]) == ["cancelled"]
    assert worker.heartbeat([task])[0]["answer"] == "cancel"
    worker.finish(endings([task], "done"))
    assert calls.status(job["job_id"]) == "cancelled"
    assert tasks_of(calls, job["job_id"]) == [("run", "cancelled"), ("shadow", "completed")]


def test_probes_run_whatever_the_flag_says(calls: Calls, worker: Worker, queue_name: str) -> None:
    begin(calls.connection, "live", holdback_percent=0)
    [job_id] = calls.enqueue_new(queue_name)
    calls.connection.execute("update job_tasks set purpose = 'probe'")
    calls.connection.execute(
        "update jobs set task_count = 0, unfinished_tasks = 0, status = 'cancelled', finished_at = now()"
    )
    emergency(calls.connection)
    assert [task["job_id"] for task in worker.claim()] == [job_id]
    calls.connection.execute("delete from jobs")


def test_mirrors_carry_all_that_was_asked_for(calls: Calls, queue_name: str) -> None:
    """So that what legacy publishes is the same job: enqueued again, it exists."""
    options: Row = {
        "tags": ["a"],
        "tenant": "acme",
        "timeout_seconds": 7.5,
        "max_attempts": 3,
        "payload": {"n": 1},
    }
    [job_id] = handed_over(calls, queue_name, 0) or calls.enqueue_new(queue_name, **options)
    [mirror] = mirrors(calls, "release_due")["mirrors"]
    assert {name: mirror["job"][name] for name in options} == options
    assert (mirror["job_id"], mirror["epoch"], mirror["owner"], mirror["ending"]) == (
        job_id,
        1,
        "legacy",
        None,
    )
    assert bucket_of(job_id) == calls.value("select bucket from jobs")
