"""The database is like a hosted project's: what is open there is open here, and what is refused, refused."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import errors, sql

from supaqueue.devstack import Stack
from tests.devstack.probes import call, eventually


@pytest.fixture
def table(database: psycopg.Connection) -> Iterator[str]:
    """A fresh table in `public`, made by `postgres`, with no grant and no policy of its own."""
    name = f"fresh_{uuid.uuid4().hex[:8]}"
    database.execute(
        sql.SQL("create table {} (id serial primary key, note text)").format(sql.Identifier(name))
    )
    yield name
    database.execute(sql.SQL("drop table {}").format(sql.Identifier(name)))


def test_anon_can_write_a_fresh_table(project: Stack, table: str) -> None:
    def write() -> httpx.Response:
        return call(project, f"/rest/v1/{table}", method="POST", key=project.anon_key, json={"note": "x"})

    eventually(write, 201)
    rows = call(project, f"/rest/v1/{table}", key=project.anon_key).json()
    assert rows == [{"id": 1, "note": "x"}]


def test_row_security_stops_anon_but_not_the_service_role(
    project: Stack, table: str, database: psycopg.Connection
) -> None:
    database.execute(sql.SQL("insert into {} default values").format(sql.Identifier(table)))
    database.execute(sql.SQL("alter table {} enable row level security").format(sql.Identifier(table)))
    eventually(lambda: call(project, f"/rest/v1/{table}", key=project.anon_key), 200)
    assert call(project, f"/rest/v1/{table}", key=project.anon_key).json() == []
    assert len(call(project, f"/rest/v1/{table}", key=project.service_role_key).json()) == 1


def test_anon_can_call_a_fresh_function_and_what_is_dropped_is_gone(
    project: Stack, database: psycopg.Connection
) -> None:
    database.execute("create function fresh_function() returns int language sql as 'select 42'")
    found = eventually(lambda: call(project, "/rest/v1/rpc/fresh_function", key=project.anon_key), 200)
    assert found.json() == 42
    database.execute("drop function fresh_function")
    eventually(lambda: call(project, "/rest/v1/rpc/fresh_function", key=project.anon_key), 404)


def test_notify_reloads_the_schema(project: Stack, database: psycopg.Connection) -> None:
    """Without the event triggers, which a self-made project may lack, only the notification is left."""
    with psycopg.connect(project.superuser_url, autocommit=True) as superuser:
        superuser.execute("alter event trigger pgrst_ddl_watch disable")
        try:
            database.execute("create function told() returns int language sql as 'select 1'")
            database.execute("notify pgrst, 'reload schema'")
            eventually(lambda: call(project, "/rest/v1/rpc/told", key=project.anon_key), 200)
        finally:
            superuser.execute("alter event trigger pgrst_ddl_watch enable")
            database.execute("drop function told")


def test_an_answer_has_at_most_1000_rows(project: Stack, table: str, database: psycopg.Connection) -> None:
    database.execute(
        sql.SQL("insert into {} (note) select 'x' from generate_series(1, 1001)").format(
            sql.Identifier(table)
        )
    )
    response = eventually(lambda: call(project, f"/rest/v1/{table}", key=project.anon_key), 200)
    assert len(response.json()) == 1000


def test_statements_of_each_role_end_at_its_timeout(project: Stack, database: psycopg.Connection) -> None:
    """One that sleeps for 3.5 s is cut at anon's 3 s and goes through for the two that have 8 s."""
    database.execute("create function nap(s float) returns text language sql as 'select pg_sleep(s)::text'")

    def nap(role: str, seconds: float = 3.5) -> httpx.Response:
        headers = {"apikey": project.anon_key, "Authorization": f"Bearer {project.token(role)}"}
        url = f"{project.url}/rest/v1/rpc/nap"
        return httpx.post(url, headers=headers, json={"s": seconds}, timeout=30)

    eventually(lambda: nap("anon", 0), 200)
    with ThreadPoolExecutor() as threads:
        anon, *others = threads.map(nap, ["anon", "authenticated", "service_role"])
    assert (anon.status_code, anon.json()["code"]) == (500, "57014")
    assert [other.status_code for other in others] == [200, 200]
    database.execute("drop function nap")


def test_timeouts_of_the_roles_are_those_of_a_hosted_project(database: psycopg.Connection) -> None:
    rows = database.execute(
        """select rolname, setting from pg_roles, unnest(rolconfig) as setting
        where setting like 'statement_timeout=%'"""
    )
    assert dict(rows.fetchall()) == {
        "anon": "statement_timeout=3s",
        "authenticated": "statement_timeout=8s",
        "authenticator": "statement_timeout=8s",
    }


def test_only_public_and_graphql_public_are_exposed(project: Stack, database: psycopg.Connection) -> None:
    database.execute("create schema if not exists hidden")
    for schema, status in (("public", 200), ("graphql_public", 200), ("hidden", 406), ("pg_catalog", 406)):
        response = call_schema(project, schema)
        assert (schema, response) == (schema, status)
    database.execute("drop schema hidden")


def call_schema(project: Stack, schema: str) -> int:
    headers = {"apikey": project.anon_key, "Accept-Profile": schema}
    return httpx.get(f"{project.url}/rest/v1/", headers=headers).status_code


def test_postgres_is_no_superuser_but_may_make_roles_for_the_api(
    project: Stack, database: psycopg.Connection
) -> None:
    row = database.execute(
        "select rolsuper, rolcreaterole, rolcreatedb, rolbypassrls from pg_roles where rolname = current_user"
    ).fetchone()
    assert row == (False, True, True, True)
    database.execute("create role made_here nologin")
    database.execute("grant made_here to authenticator")
    bearer = f"Bearer {project.token('made_here')}"
    assert call(project, "/rest/v1/", key=project.anon_key, authorization=bearer).status_code == 200
    database.execute("drop role made_here")


def test_postgres_can_become_the_api_roles_but_not_the_superuser(database: psycopg.Connection) -> None:
    for role in ("anon", "authenticated", "service_role", "authenticator"):
        database.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        database.execute("reset role")
    with pytest.raises(errors.InsufficientPrivilege):
        database.execute("set role supabase_admin")


def test_postgres_owns_the_database_and_may_extend_it(database: psycopg.Connection) -> None:
    database.execute("create schema own")
    database.execute("drop schema own")
    database.execute("create extension if not exists citext schema extensions")
    database.execute("drop extension citext")


@pytest.mark.parametrize("user", ["postgres", "supabase_admin", "authenticator", "anon"])
def test_nobody_logs_in_without_the_password(project: Stack, user: str) -> None:
    port = project.status().processes[0].port
    for password in ("", "postgres"):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host="127.0.0.1", port=port, user=user, password=password, dbname="postgres")


def test_the_gateway_postgrest_and_postgres_listen_on_this_machine_only(project: Stack) -> None:
    ports = {process.port for process in project.status().processes}
    addresses = {address for address, port in listening_addresses() if port in ports}
    assert addresses == {"0100007F"}


def listening_addresses() -> list[tuple[str, int]]:
    rows = [line.split() for name in ("tcp", "tcp6") for line in lines_of(Path("/proc/net") / name)]
    listening = [row[1].split(":") for row in rows if row[3] == "0A"]
    return [(address, int(port, 16)) for address, port in listening]


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines()[1:] if path.exists() else []
