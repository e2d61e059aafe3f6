from __future__ import annotations

from typing import Any

import psycopg
import pytest

from supaqueue.errors import InvalidInput
from supaqueue.maintain.migrate import Migrator
from supaqueue.maintain.steps import Step
from tests.migrations.catalogue import catalogue, ledger
from tests.migrations.conftest import Folder, function

Database = psycopg.Connection[Any]

IN_ORDER = [
    "migrations/001_notes.sql",
    "migrations/005_tags.sql",
    "functions/count_all_v1.sql",
    "functions/count_notes_v1.sql",
    "grants.sql",
]


def names(steps: list[Step]) -> list[str]:
    return [step.name for step in steps]


def states(steps: list[Step]) -> dict[str, str]:
    return {step.name: step.state for step in steps}


def test_applies_everything_in_order(database_url: str, database: Database, folder: Folder) -> None:
    applied = Migrator(database_url, files=folder.files).apply()
    assert names(applied) == IN_ORDER
    assert {step.state for step in applied} == {"applied"}
    assert database.execute("select count_all_v1()").fetchone() == (0,)
    assert [row[0] for row in ledger(database, "public")] == sorted(IN_ORDER)


def test_a_second_apply_sets_the_grants_again_and_nothing_else(
    database_url: str, database: Database, folder: Folder
) -> None:
    migrator = Migrator(database_url, files=folder.files)
    migrator.apply()
    before = catalogue(database, "public"), ledger(database, "public")
    database.execute("grant select on notes to public")
    assert names(migrator.apply()) == ["grants.sql"]
    assert (catalogue(database, "public"), ledger(database, "public")) == before


def test_status_tells_what_is_due(database_url: str, folder: Folder) -> None:
    migrator = Migrator(database_url, files=folder.files)
    assert set(states(migrator.status()).values()) == {"pending"}
    migrator.apply()
    folder.write("functions/count_notes_v1.sql", function("count_notes_v1", "select 7::bigint"))
    folder.write("migrations/009_more.sql", "create table more ();")
    expected = dict.fromkeys(IN_ORDER, "applied")
    expected |= {"functions/count_notes_v1.sql": "changed", "migrations/009_more.sql": "pending"}
    assert states(migrator.status()) == expected


def test_a_changed_function_is_applied_again(database_url: str, database: Database, folder: Folder) -> None:
    migrator = Migrator(database_url, files=folder.files)
    migrator.apply()
    folder.write("functions/count_notes_v1.sql", function("count_notes_v1", "select 7::bigint"))
    assert names(migrator.apply()) == ["functions/count_notes_v1.sql", "grants.sql"]
    assert database.execute("select count_all_v1()").fetchone() == (7,)
    assert states(migrator.status())["functions/count_notes_v1.sql"] == "applied"


def test_the_plan_is_what_apply_does_and_changes_nothing(
    database_url: str, database: Database, folder: Folder
) -> None:
    migrator = Migrator(database_url, "queue", files=folder.files)
    plan = migrator.plan()
    assert database.execute("select to_regnamespace('queue')").fetchone() == (None,)
    assert [step.file.sql for step in plan if step.file] == [file.sql for file in folder.files]
    assert names(plan) == names(migrator.apply())
    assert names(migrator.plan()) == ["grants.sql"]


@pytest.mark.parametrize("schema", ["queue", 'Od"d na;me', "ünï"])
def test_installs_into_the_schema_given(
    database_url: str, database: Database, folder: Folder, schema: str
) -> None:
    Migrator(database_url, schema, files=folder.files).apply()
    quoted = psycopg.sql.Identifier(schema)
    count = psycopg.sql.SQL("select {}.count_all_v1()").format(quoted)
    assert database.execute(count).fetchone() == (0,)
    assert catalogue(database, "public")["relations"] == []


@pytest.mark.parametrize("schema", ["", "pg_queue", "information_schema", "x" * 64, "a\0b"])
def test_refuses_a_schema_that_cannot_be(schema: str) -> None:
    with pytest.raises(InvalidInput, match="schema"):
        Migrator("postgresql://localhost", schema)


def test_the_ledger_is_closed_to_api_roles_from_its_creation(
    database_url: str, database: Database, folder: Folder
) -> None:
    database.execute("alter default privileges in schema public grant all on tables to public")
    Migrator(database_url, files=folder.write("grants.sql", "select 1;")).apply()
    closed = "select relrowsecurity from pg_class where oid = 'supaqueue_migrations'::regclass"
    assert database.execute(closed).fetchone() == (True,)


def test_the_schema_cache_is_told_to_reload(database_url: str, database: Database, folder: Folder) -> None:
    database.execute("listen pgrst")
    migrator = Migrator(database_url, files=folder.files)
    for _ in range(2):
        migrator.apply()
        assert [note.payload for note in database.notifies(timeout=10, stop_after=1)] == ["reload schema"]


def test_a_file_may_take_longer_than_the_roles_statement_timeout(
    database_url: str, database: Database, folder: Folder
) -> None:
    database.execute(f"alter database {database.info.dbname} set statement_timeout = '300ms'".encode())
    files = folder.write("migrations/006_slow.sql", "select pg_sleep(0.5);")
    assert "migrations/006_slow.sql" in names(Migrator(database_url, files=files).apply())


def test_an_index_is_built_concurrently_outside_a_transaction(
    database_url: str, database: Database, folder: Folder
) -> None:
    text = (
        "-- supaqueue: no transaction\n"
        "-- A build that failed leaves an invalid index; begin again.\n"
        "drop index concurrently if exists notes_body;\n"
        "create index concurrently notes_body on notes (body);\n"
    )
    files = folder.write("migrations/007_notes_body.sql", text)
    database.execute("create table notes ()")
    Migrator(database_url, "queue", files=files).apply()
    valid = "select indisvalid from pg_index where indexrelid = 'queue.notes_body'::regclass"
    assert database.execute(valid).fetchone() == (True,)
