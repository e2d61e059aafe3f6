"""Two at once, and sessions that hold a lock."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import psycopg
import pytest

from supaqueue.errors import MigrationError
from supaqueue.maintain.migrate import Migrator
from tests.migrations.catalogue import ledger
from tests.migrations.conftest import Folder

Database = psycopg.Connection[Any]

LOCK = "begin; set local application_name to 'nightly report'; lock table notes in share mode"


def race(migrators: list[Migrator]) -> list[list[str]]:
    """Let all apply at the same moment; return what each of them applied, without the grants."""
    barrier = Barrier(len(migrators))

    def run(migrator: Migrator) -> list[str]:
        barrier.wait()
        return [step.name for step in migrator.apply() if step.kind != "grants"]

    with ThreadPoolExecutor(len(migrators)) as pool:
        return list(pool.map(run, migrators))


def test_two_at_once_apply_each_file_once(database_url: str, database: Database, folder: Folder) -> None:
    folder.write("migrations/006_fill.sql", "insert into notes values (1, 'once');")
    expected = sorted(file.name for file in folder.files if file.kind != "grants")
    for number in range(20):
        schema = f"race_{number}"
        applied = race([Migrator(database_url, schema, files=folder.files) for _ in range(2)])
        assert sorted(applied[0] + applied[1]) == expected
        assert len(ledger(database, schema)) == len(expected) + 1


def test_two_at_once_build_an_index_concurrently(
    database_url: str, database: Database, folder: Folder
) -> None:
    text = "-- supaqueue: no transaction\ncreate index concurrently notes_body on notes (body);\n"
    files = folder.write("migrations/007_notes_body.sql", text)
    for number in range(3):
        schema = f"race_{number}"
        applied = race([Migrator(database_url, schema, files=files, lock_timeout=0.5) for _ in range(2)])
        assert sorted(applied[0] + applied[1]).count("migrations/007_notes_body.sql") == 1
        valid = f"select indisvalid from pg_index where indexrelid = '{schema}.notes_body'::regclass"
        assert database.execute(valid.encode()).fetchone() == (True,)


def test_two_schemas_at_once_may_create_the_same_role(
    database_url: str, database: Database, folder: Folder
) -> None:
    role = f"shared_{database.info.dbname}"
    missing = f"not exists (select from pg_roles where rolname = '{role}')"
    text = f"do $$ begin if {missing} then create role {role}; end if; end $$;"
    files = folder.write("grants.sql", text)
    for number in range(5):
        race([Migrator(database_url, f"race_{number}_{i}", files=files) for i in range(3)])
        database.execute(f"drop role {role}".encode())


def test_whoever_holds_the_lock_is_named(database_url: str, database: Database, folder: Folder) -> None:
    Migrator(database_url, files=folder.files).apply()
    folder.write("migrations/006_more.sql", "create table more ();\nalter table notes add more int;")
    database.execute(LOCK)
    with pytest.raises(MigrationError) as caught:
        Migrator(database_url, files=folder.files, lock_timeout=1, tries=1).apply()
    message = str(caught.value)
    for part in ("006_more.sql", '"nightly report"', str(database.info.backend_pid), "idle in transaction"):
        assert part in message
    database.rollback()
    assert database.execute("select to_regclass('more')").fetchone() == (None,)
    assert "migrations/006_more.sql" not in [row[0] for row in ledger(database, "public")]
    assert "migrations/006_more.sql" in [s.name for s in Migrator(database_url, files=folder.files).apply()]


def test_a_lock_that_is_let_go_is_tried_again(database_url: str, database: Database, folder: Folder) -> None:
    Migrator(database_url, files=folder.files).apply()
    files = folder.write("migrations/006_more.sql", "alter table notes add more int;")
    database.execute(LOCK)

    class LetGo(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            database.rollback()

    logger, handler = logging.getLogger("supaqueue.maintain.migrate"), LetGo()
    logger.addHandler(handler)
    try:
        applied = Migrator(database_url, files=files, lock_timeout=0.2).apply()
    finally:
        logger.removeHandler(handler)
    assert [step.name for step in applied] == ["migrations/006_more.sql", "grants.sql"]
