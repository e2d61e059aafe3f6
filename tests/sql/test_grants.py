"""Who may do what: read from the catalogue, and tried through the real gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from supaqueue.devstack import Stack
from supaqueue.maintain.migrate import Migrator
from tests.conftest import MAJORS, migrate, stack_of
from tests.sql.calls import Calls
from tests.sql.sessions import wait_until
from tests.sql.test_refusals import GOOD

WORKER_CALLS = {
    "contract_version_v1",
    "claim_job_tasks_v1",
    "heartbeat_job_tasks_v1",
    "finish_job_tasks_v1",
    "read_results_v1",
    "register_worker_v1",
    "declare_schedules_v1",
    "list_schedules_v1",
    "set_task_types_v1",
    "tick_schedules_v1",
    "read_feature_flags_v1",
    "start_legacy_v1",
    "record_outcomes_v1",
    "list_mirrors_v1",
    "settle_mirrors_v1",
    "open_taken_over_jobs_v1",
    "hold_lease_v1",
    "record_first_failures_v1",
}
PRODUCER_CALLS = {
    "contract_version_v1",
    "enqueue_jobs_v1",
    "get_jobs_v1",
    "list_jobs_v1",
    "list_job_tasks_v1",
    "cancel_jobs_v1",
    "count_jobs_v1",
    "abandon_jobs_v1",
    "list_schedules_v1",
    "read_feature_flags_v1",
}
SERVICE_CALLS = {
    "prune_jobs_v1",
    "read_jobs_to_archive_v1",
    "delete_archived_jobs_v1",
    "limit_running_v1",
    "limit_waiting_v1",
    "list_running_limits_v1",
    "list_blocked_keys_v1",
    "release_keys_v1",
    "pause_queues_v1",
    "resume_queues_v1",
    "list_dead_letters_v1",
    "replay_job_tasks_v1",
    "drop_dead_letters_v1",
    "remove_schedules_v1",
    "switch_schedules_v1",
    "change_feature_flag_v1",
    "count_mirrors_v1",
    "observe_jobs_v1",
    "observe_jobs_by_id_v1",
    "repair_mirrors_v1",
    "repair_copies_v1",
    "list_repairs_v1",
    "list_flag_changes_v1",
    "list_task_types_v1",
    "hand_back_jobs_v1",
    "take_over_jobs_v1",
    "send_probes_v1",
    "read_probes_v1",
    "count_worker_calls_v1",
    "declare_rollout_step_v1",
    "decide_rollout_step_v1",
    "list_rollout_steps_v1",
    "keep_rollout_evidence_v1",
    "read_rollout_evidence_v1",
    "list_rollout_notices_v1",
    "settle_rollout_notices_v1",
    "close_cohorts_v1",
    "read_cohorts_v1",
    "read_cohort_totals_v1",
}
ROLES = {
    "anon": set(),
    "authenticated": set(),
    "supaqueue_worker": WORKER_CALLS,
    "supaqueue_producer": PRODUCER_CALLS,
    "service_role": WORKER_CALLS | PRODUCER_CALLS | SERVICE_CALLS,
}
RELATIONS = """select relname, relkind::text from pg_class
               where relnamespace = 'public'::regnamespace and relkind = any(%s)"""
COLUMNS = (
    "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0"
    " and attidentity = '' order by attnum limit 1"
)
FUNCTIONS = """select proname, coalesce(proargnames[1:pronargs], '{}') from pg_proc
               where pronamespace = 'public'::regnamespace and prorettype <> 'trigger'::regtype"""
REFUSED = {401, 403}


@pytest.fixture(scope="module", params=MAJORS, ids=lambda major: f"postgres{major}")
def called_stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of their own: every function is called, and what was paused or declared would meet others."""
    with stack_of(request.param, tmp_path_factory.mktemp("stack")) as stack:
        migrate(stack)
        yield stack
    stack.remove()


@pytest.fixture(scope="module")
def owner(called_stack: Stack) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(called_stack.database_url, autocommit=True) as connection:
        yield connection


def relations(owner: psycopg.Connection[Any], kinds: str) -> list[str]:
    names = [name for name, _ in owner.execute(RELATIONS, [list(kinds)])]
    assert names
    return names


@pytest.fixture(scope="module")
def api(called_stack: Stack) -> Iterator[Callable[..., httpx.Response]]:
    """One request with the anon key, in the name of a role."""
    key = {"apikey": called_stack.anon_key}
    with httpx.Client(base_url=f"{called_stack.url}/rest/v1", headers=key) as client:

        def request(role: str, method: str, path: str, **options: Any) -> httpx.Response:
            headers = {"Authorization": f"Bearer {called_stack.token(role)}"}
            return client.request(method, path, headers=headers, **options)

        yield request


@pytest.mark.parametrize("role", [role for role in ROLES if role != "service_role"])
def test_the_api_refuses_every_table(
    api: Callable[..., httpx.Response], owner: psycopg.Connection[Any], role: str
) -> None:
    for table in relations(owner, "rvmfp"):
        [(column,)] = owner.execute(COLUMNS, [table])
        none = {column: "is.null"}
        tries = [
            api(role, "GET", f"/{table}"),
            api(role, "POST", f"/{table}", json={}),
            api(role, "PATCH", f"/{table}", params=none, json={column: None}),
            api(role, "DELETE", f"/{table}", params=none),
        ]
        assert {reply.status_code for reply in tries} <= REFUSED, (table, [reply.text for reply in tries])


@pytest.mark.parametrize("role", ROLES)
def test_the_api_lets_a_role_make_its_calls_and_no_other(
    api: Callable[..., httpx.Response], owner: psycopg.Connection[Any], role: str
) -> None:
    for name, arguments in owner.execute(FUNCTIONS).fetchall():
        good = {"contract_version": 1} if name in GOOD else {}
        body = good | GOOD.get(name, dict.fromkeys(arguments))
        reply = api(role, "POST", f"/rpc/{name}", json=body)
        if name in ROLES[role]:
            assert reply.status_code == 200, (name, reply.text)
        else:
            assert reply.status_code in REFUSED, (name, reply.text)


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_the_api_answers_for_a_table_of_the_users_own(
    api: Callable[..., httpx.Response], owner: psycopg.Connection[Any], role: str
) -> None:
    """Otherwise the refusals above would prove nothing."""
    name = f"notes_{uuid4().hex}"
    owner.execute(f"create table {name} (id integer)".encode())
    try:
        owner.execute("notify pgrst, 'reload schema'")
        wait_until(
            lambda: api(role, "POST", f"/{name}", json={"id": 1}).status_code == 201, "the table is known"
        )
        assert api(role, "GET", f"/{name}").json() == [{"id": 1}]
    finally:
        owner.execute(f"drop table {name}".encode())


def test_a_key_alone_reads_nothing(called_stack: Stack, owner: psycopg.Connection[Any]) -> None:
    for table in relations(owner, "rv"):
        for key in (called_stack.anon_key, called_stack.publishable_key):
            reply = httpx.get(f"{called_stack.url}/rest/v1/{table}", headers={"apikey": key})
            assert reply.status_code in REFUSED


def test_the_service_key_reads_tables_and_writes_none(
    api: Callable[..., httpx.Response], owner: psycopg.Connection[Any]
) -> None:
    for table in relations(owner, "rv"):
        assert api("service_role", "GET", f"/{table}").status_code == 200
        assert api("service_role", "POST", f"/{table}", json={}).status_code in REFUSED
        assert api("service_role", "DELETE", f"/{table}").status_code in REFUSED


FLAG = {"flag_name": "eq.supabase_queue"}


def test_the_service_key_makes_the_emergency_update_and_no_other(
    api: Callable[..., httpx.Response], owner: psycopg.Connection[Any]
) -> None:
    off = {"is_enabled": False, "rollout_percent": 0, "updated_by": "ada", "reason": "errors"}
    try:
        assert api("service_role", "PATCH", "/feature_flag", params=FLAG, json=off).status_code == 204
        query = (
            "select is_enabled, rollout_percent, updated_by, reason from feature_flag where task_type is null"
        )
        assert owner.execute(query).fetchone() == tuple(off.values())
        logged = (
            "select changed_by, reason, session_by from feature_flag_changes order by change_id desc limit 1"
        )
        assert owner.execute(logged).fetchone() == ("ada", "errors", "authenticator")
        assert (
            api("service_role", "PATCH", "/feature_flag", params=FLAG, json={"rollout_percent": 101}).json()[
                "code"
            ]
            == "23514"
        )
        for column in ("stage", "shadow_percent", "latched_at", "version", "updated_at"):
            tried = api("service_role", "PATCH", "/feature_flag", params=FLAG, json={column: None})
            assert tried.status_code in REFUSED, column
        for role in ROLES.keys() - {"service_role"}:
            assert api(role, "PATCH", "/feature_flag", params=FLAG, json=off).status_code in REFUSED
    finally:
        owner.execute(
            "update feature_flag set is_enabled = true, rollout_percent = 100, updated_by = 'test'"
            " where task_type is null"
        )


EMERGENCY = ["is_enabled", "rollout_percent", "updated_by", "reason"]
COLUMN_PRIVILEGES = """select attname, has_column_privilege(%s, attrelid, attnum, 'update')
                       or has_column_privilege(%s, attrelid, attnum, 'insert')
                       from pg_attribute where attrelid = %s::regclass and attnum > 0 order by attnum"""
PRIVILEGES = ("select", "insert", "update", "delete", "truncate", "references", "trigger")


@pytest.mark.parametrize("role", ROLES)
def test_privileges_on_tables_and_sequences(calls: Calls, role: str) -> None:
    for name in relations(calls.connection, "rvmfp"):
        held = [
            p for p in PRIVILEGES if calls.value("select has_table_privilege(%s, %s, %s)", [role, name, p])
        ]
        assert held == (["select"] if role == "service_role" else []), name
        columns = [c for c, p in calls.connection.execute(COLUMN_PRIVILEGES, [role, role, name]) if p]
        assert columns == (EMERGENCY if (role, name) == ("service_role", "feature_flag") else []), name
    for name in relations(calls.connection, "S"):
        for privilege in ("usage", "select", "update"):
            assert not calls.value("select has_sequence_privilege(%s, %s, %s)", [role, name, privilege])


@pytest.mark.parametrize("role", ROLES)
def test_privileges_on_functions(calls: Calls, role: str) -> None:
    query = """select proname from pg_proc where pronamespace = 'public'::regnamespace
               and has_function_privilege(%s, oid, 'execute')"""
    assert {name for (name,) in calls.connection.execute(query, [role])} == ROLES[role]


def test_every_table_has_row_level_security(calls: Calls) -> None:
    query = """select relname from pg_class where relnamespace = 'public'::regnamespace
               and relkind in ('r', 'p') and not relrowsecurity"""
    assert calls.connection.execute(query).fetchall() == []


def test_every_function_has_a_fixed_search_path(calls: Calls) -> None:
    query = """select proname from pg_proc where pronamespace = 'public'::regnamespace
               and not coalesce('search_path=public, pg_temp' = any(proconfig), false)"""
    assert calls.connection.execute(query).fetchall() == []


def test_the_functions_of_the_contract_alone_run_as_their_owner(calls: Calls) -> None:
    """And triggers, which nobody calls: who may update a flag may not do what follows from it."""
    query = """select proname, prosecdef, prorettype = 'trigger'::regtype from pg_proc
               where pronamespace = 'public'::regnamespace"""
    for name, runs_as_owner, is_trigger in calls.connection.execute(query).fetchall():
        is_open = name.endswith("_v1") or name in ("enqueue_job", "enqueue_jobs")
        assert runs_as_owner == (is_open or is_trigger), name


def test_no_temporary_table_can_stand_in_for_ours(calls: Calls, queue_name: str) -> None:
    calls.connection.execute("create temp table jobs (job_id uuid)")
    [job_id] = calls.enqueue_new(queue_name)
    assert calls.status(job_id) == "pending"
    calls.connection.execute("drop table pg_temp.jobs")


def test_what_was_dropped_and_made_again_is_closed_by_migrate(calls: Calls, fresh_database: str) -> None:
    """Supabase's default privileges open every new function and table to the API."""
    query = "select has_function_privilege('anon', oid, 'execute') from pg_proc where proname = 'job_bucket'"
    definition = calls.value("select pg_get_functiondef(oid) from pg_proc where proname = 'job_bucket'")
    calls.connection.execute("alter table jobs drop constraint jobs_bucket_check")
    calls.connection.execute("drop function job_bucket")
    calls.connection.execute(definition)
    calls.connection.execute("grant all on jobs to anon")
    assert calls.value(query) is True
    Migrator(fresh_database).apply()
    assert calls.value(query) is False
    assert calls.value("select has_table_privilege('anon', 'jobs', 'select')") is False
