"""Enqueuing inside the database: in the transaction of a user's own function or trigger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from supaqueue.job_id import bucket_of, check_job_id, job_id_from_key, new_job_id
from tests.sql.calls import Calls, Worker, answers
from tests.sql.flags import begin, set_flag
from tests.sql.test_waiting_limits import limit

Connect = Callable[[], psycopg.Connection[Any]]


def enqueue(calls: Calls, queue: str, /, **options: Any) -> str:
    return str(calls.value("select enqueue_job('count', '{\"n\": 1}', %s, %s)", [queue, Jsonb(options)]))


def test_it_stores_one_job_with_its_options(calls: Calls, worker: Worker, queue_name: str) -> None:
    job_id = enqueue(calls, queue_name, max_attempts=2, tags=["eu"])
    [task] = worker.claim_all()
    assert (task["job_id"], task["payload"], task["max_attempts"]) == (job_id, {"n": 1}, 2)
    assert calls.job(job_id)["tags"] == ["eu"]


def test_what_is_left_out_is_the_default(calls: Calls) -> None:
    job = calls.job(str(calls.value("select enqueue_job('count')")))
    assert (job["queue"], job["tasks"][0]["payload"]) == ("default", None)


def test_ids_have_the_shape_of_those_that_clients_make(calls: Calls, queue_name: str) -> None:
    rows = calls.value(
        "select enqueue_jobs(%s)", [Jsonb([{"task_type": "count", "queue": queue_name}] * 2000)]
    )
    ids = [row["job_id"] for row in rows]
    assert len(set(ids)) == 2000
    assert {(UUID(one).version, UUID(one).variant) for one in ids} == {(7, "specified in RFC 4122")}
    ours = new_job_id()
    assert all(abs(int(one[:8], 16) - int(ours[:8], 16)) <= 1 for one in ids)
    buckets = [bucket_of(check_job_id(one)) for one in ids]
    assert len({bucket // 1000 for bucket in buckets}) == 10
    assert len({one[14:18] for one in ids}) > 500
    assert {one[19] for one in ids} == set("89ab")


@pytest.mark.parametrize("key", ["order-7", "Ä", "x" * 1000])
def test_an_idempotency_key_makes_the_id_that_a_client_makes(calls: Calls, queue_name: str, key: str) -> None:
    for _ in range(2):
        assert enqueue(calls, queue_name, idempotency_key=key) == job_id_from_key("count", key)
    with pytest.raises(psycopg.Error, match="belongs to a job with another payload"):
        enqueue(calls, queue_name, idempotency_key=key, max_attempts=7)


def test_a_rollback_leaves_no_job_and_a_commit_wakes_the_ordinary_way(
    calls: Calls, worker: Worker, queue_name: str
) -> None:
    calls.connection.execute("begin")
    job_id = enqueue(calls, queue_name)
    assert worker.claim_all() == []
    calls.connection.execute("rollback")
    assert calls.get(job_id) == [None]
    calls.connection.execute("begin")
    job_id = enqueue(calls, queue_name)
    worker.claim_all()
    calls.connection.execute("commit")
    assert [task["job_id"] for task in worker.claim_all()] == [job_id]


def test_a_trigger_enqueues_for_a_role_that_may_not(calls: Calls, worker: Worker, queue_name: str) -> None:
    """Its function is the owner's by security definer; its search path need not be the queue's."""
    calls.connection.execute(
        f"""
        create schema shop;
        create table shop.orders (id bigint generated always as identity primary key, total numeric);
        create function shop.invoice() returns trigger
        language plpgsql security definer set search_path = '' as $$
        begin
            perform public.enqueue_job(
                'count', pg_catalog.jsonb_build_object('order', new.id), '{queue_name}');
            return new;
        end $$;
        create trigger invoice after insert on shop.orders for each row execute function shop.invoice();
        grant usage on schema shop to authenticated;
        grant insert on shop.orders to authenticated;
        """
    )
    calls.connection.execute("begin")
    calls.connection.execute("set local role authenticated")
    calls.connection.execute("insert into shop.orders (total) select 7 from generate_series(1, 3)")
    calls.connection.execute("commit")
    assert [task["payload"] for task in worker.claim_all()] == [{"order": 1}, {"order": 2}, {"order": 3}]
    for role in ("anon", "authenticated", "service_role", "supaqueue_producer"):
        calls.connection.execute(f"begin; set local role {role}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            enqueue(calls, queue_name)
        calls.connection.execute("rollback")


def test_it_takes_the_same_path_as_any_enqueue(calls: Calls, queue_name: str) -> None:
    """Checks, unique keys and limits."""
    key = {"unique_key": "k", "unique_until": "finished", "unique_conflict": "reject"}
    first = enqueue(calls, queue_name, **key)
    assert enqueue(calls, queue_name, **key) == first
    with pytest.raises(psycopg.Error, match=r"jobs\[0\]\.max_attempts: expected 1 to 1000"):
        enqueue(calls, queue_name, max_attempts=0)
    with pytest.raises(psycopg.Error, match=r"jobs\[0\]\.colour: this option is not known"):
        enqueue(calls, queue_name, colour="red")
    limit(calls, queue_name, 1, "refuse")
    with pytest.raises(psycopg.Error) as caught:
        enqueue(calls, queue_name)
    assert caught.value.sqlstate == "SQ006"


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ({}, "jobs: expected an array of objects"),
        ([7], r"jobs\[0\]: expected an object"),
        ([{}], r"jobs\[0\]\.task_type: expected a value"),
        ([{"task_type": "t", "job_id": "7"}], r"jobs\[0\]\.job_id: expected a UUID"),
        ([{"task_type": "t", "owner": "legacy"}], r"jobs\[0\]\.owner: expected null"),
        ([{"task_type": "t", "idempotency_key": ""}], "idempotency_key of 1 to 1000"),
        ([{"task_type": "t", "idempotency_key": "k", "job_id": new_job_id()}], "none together with job_id"),
    ],
)
def test_what_is_malformed_is_refused_by_name(calls: Calls, jobs: Any, expected: str) -> None:
    with pytest.raises(psycopg.Error, match=expected):
        calls.value("select enqueue_jobs(%s)", [Jsonb(jobs)])


def test_arguments_cannot_be_options_too(calls: Calls) -> None:
    with pytest.raises(psycopg.Error, match="options: expected an object without"):
        calls.value("select enqueue_job('count', options => '{\"queue\": \"other\"}')")


def test_another_isolation_level_is_refused(calls: Calls, queue_name: str) -> None:
    calls.connection.execute("begin isolation level repeatable read")
    with pytest.raises(psycopg.Error, match='it needs "read committed"'):
        enqueue(calls, queue_name)


def test_during_a_cutover_it_is_placed_by_the_flag_or_refused(calls: Calls, queue_name: str) -> None:
    begin(calls.connection, "live", holdback_percent=0)
    enqueue(calls, queue_name)
    set_flag(calls.connection, rollout_percent=0)
    with pytest.raises(psycopg.Error, match="which only the router reaches"):
        enqueue(calls, queue_name)
    set_flag(calls.connection, relays_unrouted=True)
    assert calls.job(enqueue(calls, queue_name))["owner"] == "legacy"


def test_where_a_type_moves_by_tenant_the_id_is_in_the_tenants_bucket(calls: Calls, queue_name: str) -> None:
    begin(calls.connection, "live", holdback_percent=0, routes_by_tenant=True)
    bucket = calls.value("select supaqueue_key_bucket('acme')")
    assert bucket_of(enqueue(calls, queue_name, tenant="acme")) == bucket


def test_many_at_once_are_answered_in_order(calls: Calls, queue_name: str) -> None:
    taken = enqueue(calls, queue_name, idempotency_key="k")
    jobs = [
        {"task_type": "count", "queue": queue_name, "idempotency_key": "k", "payload": {"n": 1}},
        {"task_type": "count", "queue": queue_name},
        {"task_type": "count", "queue": queue_name, "idempotency_key": "k", "payload": 2},
    ]
    rows = calls.value("select enqueue_jobs(%s)", [Jsonb(jobs)])
    assert answers(rows) == ["exists", "created", "conflict"]
    assert rows[0]["job_id"] == taken
