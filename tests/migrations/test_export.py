"""Files for `supabase db push`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from supaqueue.errors import InvalidInput, MigrationError
from supaqueue.maintain.export import export
from supaqueue.maintain.migrate import Migrator
from supaqueue.maintain.sql_files import SqlFiles
from tests.migrations.catalogue import catalogue, ledger
from tests.migrations.conftest import Folder, function

Database = psycopg.Connection[Any]

NOW = datetime(2026, 8, 1, 23, 59, 59, tzinfo=UTC)


def push(database: Database, paths: list[Path]) -> None:
    """Run each file whole, as `supabase db push` does: one message, one transaction."""
    for path in paths:
        database.execute(path.read_bytes())


def labels(paths: list[Path]) -> list[str]:
    return [path.name.partition("_supaqueue_")[2] for path in paths]


def test_names_are_what_supabase_takes_and_in_order(tmp_path: Path, folder: Folder) -> None:
    paths = export(tmp_path / "new" / "migrations", files=folder.files, now=NOW)
    assert labels(paths) == ["001_notes.sql", "005_tags.sql", "functions.sql", "grants.sql"]
    stamps = [path.name[:14] for path in paths]
    assert stamps == ["20260801235959", "20260802000000", "20260802000001", "20260802000002"]
    assert all(re.fullmatch(r"\d{14}_\w+\.sql", path.name) for path in paths)


def test_names_are_later_than_what_lies_there(tmp_path: Path, folder: Folder) -> None:
    (tmp_path / "20991231235959_theirs.sql").write_text("select 1;")
    (tmp_path / "notes.sql").write_text("select 1;")
    first = export(tmp_path, files=folder.files, now=NOW)[0]
    assert first.name.startswith("21000101000000_")


def test_again_writes_only_the_difference(tmp_path: Path, folder: Folder) -> None:
    export(tmp_path, files=folder.files, now=NOW)
    assert export(tmp_path, files=folder.files, now=NOW) == []
    folder.write("functions/count_notes_v1.sql", function("count_notes_v1", "select 7::bigint"))
    folder.write("migrations/006_more.sql", "create table more ();")
    paths = export(tmp_path, files=folder.files, now=NOW)
    assert labels(paths) == ["006_more.sql", "functions.sql", "grants.sql"]
    assert "count_all_v1.sql" not in paths[1].read_text()
    assert export(tmp_path, files=folder.files, now=NOW) == []


def test_each_schema_has_its_own_files(tmp_path: Path, folder: Folder) -> None:
    export(tmp_path, "queue", files=folder.files, now=NOW)
    assert len(export(tmp_path, "other", files=folder.files, now=NOW)) == 4
    assert export(tmp_path, "queue", files=folder.files, now=NOW) == []


@pytest.mark.parametrize("schema", ["public", 'Od"d'])
def test_pushed_files_are_applied_ones_for_migrate(
    database_url: str, database: Database, tmp_path: Path, folder: Folder, schema: str
) -> None:
    before = database.execute("table pg_settings").fetchall()
    push(database, export(tmp_path, schema, files=folder.files))
    assert database.execute("table pg_settings").fetchall() == before
    migrator = Migrator(database_url, schema, files=folder.files)
    assert {step.state for step in migrator.status()} == {"applied"}
    assert [step.name for step in migrator.apply()] == ["grants.sql"]


def test_an_upgrade_by_files_ends_like_one_by_migrate(
    database_url: str, database: Database, tmp_path: Path, folder: Folder
) -> None:
    push(database, export(tmp_path, "by_push", files=folder.files))
    Migrator(database_url, "applied", files=folder.files).apply()
    folder.write("functions/count_notes_v1.sql", function("count_notes_v1", "select 7::bigint"))
    text = "-- supaqueue: no transaction\ncreate index concurrently notes_body on notes (body);\n"
    folder.write("migrations/006_notes_body.sql", text)
    push(database, export(tmp_path, "by_push", files=folder.files))
    Migrator(database_url, "applied", files=folder.files).apply()
    assert same(database)


def test_the_shipped_files_end_alike_by_either_way(
    database_url: str, database: Database, tmp_path: Path
) -> None:
    push(database, export(tmp_path, "by_push"))
    migrator = Migrator(database_url, "applied")
    migrator.apply()
    assert same(database)
    before = catalogue(database, "applied"), ledger(database, "applied")
    assert [step.name for step in migrator.apply()] == ["grants.sql"]
    assert (catalogue(database, "applied"), ledger(database, "applied")) == before
    assert len(ledger(database, "applied")) == len(list(SqlFiles.shipped()))


def same(database: Database) -> bool:
    pushed, applied = (str(catalogue(database, schema)) for schema in ("by_push", "applied"))
    assert ledger(database, "by_push") == ledger(database, "applied")
    assert pushed.replace("by_push", "applied") == applied
    return True


def test_an_altered_migration_is_refused(tmp_path: Path, folder: Folder) -> None:
    export(tmp_path, files=folder.files, now=NOW)
    folder.write("migrations/005_tags.sql", "create table tags (other int);")
    with pytest.raises(MigrationError, match=r"005_tags\.sql.*never edited"):
        export(tmp_path, files=folder.files, now=NOW)


def test_files_of_a_newer_version_are_refused(tmp_path: Path, folder: Folder) -> None:
    for path in export(tmp_path, files=folder.files, now=NOW):
        path.write_text(re.sub(r'"sdk_version": "[^"]+"', '"sdk_version": "999.0.0"', path.read_text()))
    with pytest.raises(MigrationError, match="newer than this supaqueue"):
        export(tmp_path, files=folder.files, now=NOW)


def test_comments_that_were_edited_are_named(tmp_path: Path, folder: Folder) -> None:
    path = export(tmp_path, files=folder.files, now=NOW)[1]
    path.write_text(path.read_text().replace('"checksum"', '"sum"', 1))
    with pytest.raises(MigrationError, match=f"{path.name}.*version control"):
        export(tmp_path, files=folder.files, now=NOW)


def test_a_file_in_the_place_of_the_folder(tmp_path: Path, folder: Folder) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(InvalidInput, match="cannot write to"):
        export(tmp_path / "taken", files=folder.files)
