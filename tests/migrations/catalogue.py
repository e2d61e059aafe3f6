"""What a schema holds, as plain values to compare."""

from __future__ import annotations

from typing import Any

import psycopg

QUERIES = {
    "relations": """
        select c.relname, c.relkind, c.relrowsecurity, c.relacl::text from pg_class c
         where c.relnamespace = %(schema)s::regnamespace""",
    "columns": """
        select table_name, column_name, data_type, is_nullable, column_default
          from information_schema.columns where table_schema = %(name)s""",
    "constraints": """
        select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
         where connamespace = %(schema)s::regnamespace""",
    "indexes": "select indexname, indexdef from pg_indexes where schemaname = %(name)s",
    "functions": """
        select oid::regprocedure::text, pg_get_functiondef(oid), proacl::text from pg_proc
         where pronamespace = %(schema)s::regnamespace""",
}


def catalogue(connection: psycopg.Connection[Any], schema: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return relations, columns, constraints, indexes and functions of the schema, with their grants."""
    parameters = {"schema": f'"{schema}"', "name": schema}
    found = {what: connection.execute(query, parameters).fetchall() for what, query in QUERIES.items()}
    return {what: sorted(rows, key=str) for what, rows in found.items()}


def ledger(connection: psycopg.Connection[Any], schema: str) -> list[tuple[Any, ...]]:
    """Return what the schema's ledger says, without the times."""
    query = f'select name, checksum, kind, sdk_version from "{schema}".supaqueue_migrations order by 1'
    return connection.execute(query.encode()).fetchall()
