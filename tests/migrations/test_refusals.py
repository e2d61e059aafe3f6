"""What is refused, with which sentence, and that nothing was changed."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from supaqueue.errors import MigrationError
from supaqueue.maintain.migrate import Migrator
from tests.migrations.catalogue import catalogue, ledger
from tests.migrations.conftest import Folder, function

Database = psycopg.Connection[Any]


@pytest.mark.parametrize("kind", ["table", "view"])
def test_a_foreign_table_is_named_and_left_alone(
    database_url: str, database: Database, folder: Folder, kind: str
) -> None:
    database.execute("create table tags (mine int)" if kind == "table" else "create view tags as select 1")
    before = catalogue(database, "public")
    migrator = Migrator(database_url, files=folder.files)
    for act in (migrator.plan, migrator.apply):
        with pytest.raises(MigrationError, match=r'"tags".*--schema NAME'):
            act()
    assert catalogue(database, "public") == before
    Migrator(database_url, "queue", files=folder.files).apply()
    assert catalogue(database, "public") == before


def test_a_foreign_table_with_the_name_of_a_later_migrations_is_refused(
    database_url: str, database: Database, folder: Folder
) -> None:
    migrator = Migrator(database_url, files=folder.files)
    migrator.apply()
    database.execute("create table later (mine int)")
    folder.write("migrations/006_later.sql", "create table later (ours int);")
    with pytest.raises(MigrationError, match='"later"'):
        migrator.apply()


def test_an_altered_migration_is_refused(database_url: str, database: Database, folder: Folder) -> None:
    migrator = Migrator(database_url, files=folder.files)
    migrator.apply()
    before = catalogue(database, "public"), ledger(database, "public")
    folder.write("migrations/005_tags.sql", "create table tags (other int);")
    folder.write("functions/count_notes_v1.sql", function("count_notes_v1", "select 7::bigint"))
    for act in (migrator.plan, migrator.apply):
        with pytest.raises(MigrationError, match=r"migrations/005_tags\.sql.*never edited"):
            act()
    assert (catalogue(database, "public"), ledger(database, "public")) == before
    assert "altered" in {step.state for step in migrator.status()}


def test_a_migration_of_a_newer_version_is_refused_and_shown(
    database_url: str, database: Database, folder: Folder
) -> None:
    newer = folder.write("migrations/006_newer.sql", "create table newer ();")
    Migrator(database_url, files=newer).apply()
    (folder.root / "migrations/006_newer.sql").unlink()
    migrator = Migrator(database_url, files=folder.files)
    assert [step.name for step in migrator.status() if step.state == "unknown"] == [
        "migrations/006_newer.sql"
    ]
    with pytest.raises(MigrationError, match=r"newer than this supaqueue.*006_newer.*--upgrade"):
        migrator.apply()


def test_an_older_version_does_not_put_its_functions_back(
    database_url: str, database: Database, folder: Folder
) -> None:
    Migrator(database_url, files=folder.files).apply()
    database.execute("update supaqueue_migrations set sdk_version = '999.10.0rc1' where kind = 'grants'")
    with pytest.raises(MigrationError, match=r"newer than this supaqueue.*grants\.sql"):
        Migrator(database_url, files=folder.files).apply()


def test_a_function_that_this_version_no_longer_has_is_no_obstacle(database_url: str, folder: Folder) -> None:
    migrator = Migrator(database_url, files=folder.files)
    migrator.apply()
    (folder.root / "functions/count_all_v1.sql").unlink()
    assert [step.name for step in migrator.apply()] == ["grants.sql"]
    assert [step.name for step in migrator.status() if step.state == "unknown"] == [
        "functions/count_all_v1.sql"
    ]


def test_a_failing_migration_leaves_nothing_of_itself(
    database_url: str, database: Database, folder: Folder
) -> None:
    files = folder.write("migrations/005_tags.sql", "create table tags ();\n\nselect nonsense;\n")
    with pytest.raises(
        MigrationError, match=r"005_tags\.sql, line 3: .*nonsense.* Nothing of .* was applied"
    ):
        Migrator(database_url, files=files).apply()
    assert database.execute("select to_regclass('tags')").fetchone() == (None,)
    assert [row[0] for row in ledger(database, "public")] == ["migrations/001_notes.sql"]


def test_a_failing_first_migration_leaves_no_schema(
    database_url: str, database: Database, folder: Folder
) -> None:
    files = folder.write("migrations/001_notes.sql", "create table notes ();\nselect nonsense;")
    with pytest.raises(MigrationError, match="nonsense"):
        Migrator(database_url, "queue", files=files).apply()
    assert database.execute("select to_regnamespace('queue')").fetchone() == (None,)


def test_failing_grants_take_the_functions_with_them(
    database_url: str, database: Database, folder: Folder
) -> None:
    files = folder.write("grants.sql", "grant select on notes to nobody_of_this_name;")
    with pytest.raises(MigrationError, match=r"grants\.sql.*nobody_of_this_name"):
        Migrator(database_url, files=files).apply()
    assert catalogue(database, "public")["functions"] == []


def test_an_error_does_not_quote_the_values_of_rows(database_url: str, folder: Folder) -> None:
    folder.write("migrations/002_fill.sql", "insert into notes values (1, 'a private matter');")
    text = "alter table notes alter body type integer using body::integer;"
    with pytest.raises(MigrationError, match="InvalidTextRepresentation") as caught:
        Migrator(database_url, files=folder.write("migrations/003_change.sql", text)).apply()
    assert "private" not in str(caught.value)


def test_a_role_that_may_not_is_told_which_may(database_url: str, database: Database, folder: Folder) -> None:
    role = f"stranger_{database.info.dbname}"
    database.execute(f"create role {role} login password 'stranger'".encode())
    try:
        url = psycopg.conninfo.make_conninfo(database_url, user=role, password="stranger")
        for schema in ("public", "queue"):
            with pytest.raises(
                MigrationError, match=rf'permission denied.*"{schema}".*on Supabase .*postgres'
            ):
                Migrator(url, schema, files=folder.files).apply()
    finally:
        database.execute(f"drop role {role}".encode())
