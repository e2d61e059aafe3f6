"""The table that says which SQL files a schema holds.

A folder of exported files says the same in its comments, so both are read into `Record`s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from supaqueue.maintain.schema import quote_identifier, quote_literal
from supaqueue.maintain.sql_files import Kind, SqlFile
from supaqueue.version import __version__

if TYPE_CHECKING:
    from psycopg import Connection

TABLE = "supaqueue_migrations"

# Row level security at once: a hosted project's default privileges open every new table to `anon`.
CREATE = f"""\
create table if not exists {TABLE} (
    name text primary key,
    checksum text not null,
    kind text not null check (kind in ('migration', 'function', 'grants')),
    sdk_version text not null,
    applied_at timestamptz not null default clock_timestamp(),
    applied_by text not null default current_user
);
alter table {TABLE} enable row level security;
"""


@dataclass(frozen=True, slots=True)
class Record:
    """What was applied (or exported) under a file's name, and by which version of this package."""

    kind: Kind
    checksum: str
    sdk_version: str


Ledger = Mapping[str, Record]


def read_ledger(connection: Connection[Any], schema: str) -> dict[str, Record]:
    """Return what the schema's ledger holds; empty if there is no ledger, or no schema."""
    if TABLE not in relations(connection, schema, [TABLE]):
        return {}
    query = f"select name, kind, checksum, sdk_version from {quote_identifier(schema)}.{TABLE}"  # noqa: S608
    return {name: Record(*rest) for name, *rest in connection.execute(query.encode())}


def relations(connection: Connection[Any], schema: str, names: list[str]) -> list[str]:
    """Return which of `names` exist in the schema as a table, view, index or sequence."""
    rows = connection.execute(
        """
        select c.relname
          from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         where n.nspname = %s and c.relname = any(%s)
         order by c.relname
        """,
        [schema, names],
    )
    return [name for (name,) in rows]


def record_sql(file: SqlFile) -> str:
    """Return the statement that records `file`; it expects the schema in the search path."""
    values = ", ".join(map(quote_literal, (file.name, file.checksum, file.kind, __version__)))
    return (
        f"insert into {TABLE} (name, checksum, kind, sdk_version) values ({values})\n"  # noqa: S608
        "on conflict (name) do update set checksum = excluded.checksum, kind = excluded.kind,\n"
        "    sdk_version = excluded.sdk_version, applied_at = clock_timestamp(), applied_by = current_user;\n"
    )
