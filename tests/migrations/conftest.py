"""A fresh database for each test, and a small folder of SQL to write into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from supaqueue.maintain.sql_files import SqlFiles


class HasDatabase(Protocol):
    database_url: str


@dataclass(frozen=True)
class Folder:
    """SQL files that a test writes as it goes."""

    root: Path

    def write(self, name: str, text: str) -> SqlFiles:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return self.files

    @property
    def files(self) -> SqlFiles:
        return SqlFiles(self.root)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Two migrations, two functions of which the first calls the second, and grants."""
    folder = Folder(tmp_path / "sql")
    folder.write("migrations/001_notes.sql", "create table notes (id bigint primary key, body text);\n")
    folder.write("migrations/005_tags.sql", "create table tags (note_id bigint references notes);\n")
    folder.write("functions/count_all_v1.sql", function("count_all_v1", "select count_notes_v1()"))
    folder.write("functions/count_notes_v1.sql", function("count_notes_v1", "select count(*) from notes"))
    folder.write("grants.sql", "revoke all on notes, tags, supaqueue_migrations from public;\n")
    return folder


def function(name: str, body: str) -> str:
    return (
        f"create or replace function {name}() returns bigint\n"
        f"language sql set search_path from current as $$ {body} $$;\n"
    )


@pytest.fixture
def database_url(stack: HasDatabase) -> Iterator[str]:
    """The connection string of a database that only this test uses."""
    name = sql.Identifier(f"migrations_{uuid4().hex}")
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(name))
        yield make_conninfo(stack.database_url, dbname=name.as_string().strip('"'))
        connection.execute(sql.SQL("drop database {} with (force)").format(name))


@pytest.fixture
def database(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to look at the test's database."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection
