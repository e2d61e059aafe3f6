"""Reading the folder; no database."""

from __future__ import annotations

import pytest

from supaqueue.maintain.sql_files import SqlFile, SqlFiles
from tests.migrations.conftest import Folder


def test_the_order_is_by_kind_and_name(folder: Folder) -> None:
    folder.write("migrations/021_last.sql", "select 1;")
    folder.write("migrations/notes.txt", "no SQL")
    kinds = [(file.kind, file.name.rpartition("/")[2]) for file in folder.files]
    assert kinds == [
        ("migration", "001_notes.sql"),
        ("migration", "005_tags.sql"),
        ("migration", "021_last.sql"),
        ("function", "count_all_v1.sql"),
        ("function", "count_notes_v1.sql"),
        ("grants", "grants.sql"),
    ]


def test_line_ends_do_not_change_the_checksum(folder: Folder) -> None:
    before = [file.checksum for file in folder.files]
    for file in folder.files:
        (folder.root / file.name).write_bytes(file.sql.replace("\n", "\r\n").encode())
    assert [file.checksum for file in folder.files] == before


@pytest.mark.parametrize(
    ("text", "tables"),
    [
        ("create table jobs (id int);", ["jobs"]),
        ('CREATE UNLOGGED TABLE\n  IF NOT EXISTS "Jobs"(id int); create table b_2();', ["jobs", "b_2"]),
        ("-- create table none\nselect 1; create temp table t ();", []),
    ],
)
def test_tables_are_read_from_the_text(text: str, tables: list[str]) -> None:
    assert SqlFile("001.sql", "migration", text).tables == tables


def test_statements_end_with_a_line() -> None:
    text = "-- supaqueue: no transaction\n-- why; because\ndrop index a;\ncreate index\n  b on c ((';'));  \n"
    file = SqlFile("001.sql", "migration", text)
    assert not file.in_transaction
    assert file.statements == ["drop index a", "create index\n  b on c ((';'))"]


def test_the_shipped_files_are_there() -> None:
    names = [file.name for file in SqlFiles.shipped()]
    assert names[0] == "migrations/001_supabase_job_queue.sql"
    assert names[-1] == "grants.sql"
    assert "functions/enqueue_jobs_v1.sql" in names


def test_the_shipped_files_do_not_end_their_own_transaction() -> None:
    for file in SqlFiles.shipped():
        lines = {line.strip().lower() for line in file.sql.splitlines()}
        assert not lines & {"begin;", "commit;", "rollback;", "end;;", "start transaction;"}, file.name
