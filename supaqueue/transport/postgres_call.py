"""A call as a statement: the arguments go over as one JSON text, and Postgres reads each as its type.

PostgREST does the same, so an argument means the same over both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from psycopg import sql

from supaqueue.contract import Call
from supaqueue.transport.failures import INCOMPLETE_CODES
from supaqueue.transport.postgres_verdict import UNPREPARED_CODES

FIND_ARGUMENTS = """
    select u.name, format_type(u.type, null)
    from pg_proc p
    join pg_namespace n on n.oid = p.pronamespace
    left join lateral unnest(p.proargnames, p.proargtypes::oid[]) as u (name, type) on true
    where n.nspname = %s and p.proname = %s
"""
"""The arguments of a function, by name and type; a row of nulls if it has none, no row if it is not there."""


PREPARE_AFTER = 5
"""Executions of a statement on one connection before it is prepared: psycopg's default."""


class Statements:
    """The statements of calls, of the functions known so far. Safe to share between threads."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._known: dict[str, str] = {}
        self.prepare_threshold: int | None = PREPARE_AFTER

    def known(self, call: Call[Any]) -> str | None:
        """Return the statement that makes a call; it takes the arguments as JSON."""
        return self._known.get(call.function)

    def learn(self, call: Call[Any], rows: Iterable[tuple[Any, ...]]) -> str | None:
        """Return the statement, given what `FIND_ARGUMENTS` found; None if no function fits the call."""
        types = dict(rows)
        if not types:
            return None
        statement = call_statement(self._schema, call.function, call.arguments(), types)
        if statement is not None:
            self._known[call.function] = statement
        return statement

    def failed(self, call: Call[Any], sqlstate: str | None) -> None:
        """Conclude from a failure: the function may be another one now, or a pooler be in between."""
        if sqlstate in INCOMPLETE_CODES:
            self._known.pop(call.function, None)
        if sqlstate in UNPREPARED_CODES:
            self.prepare_threshold = None


def call_statement(
    schema: str, function: str, arguments: Iterable[str], types: Mapping[str, str]
) -> str | None:
    """Return the statement that makes a call, or None if there is no function with these arguments."""
    names = sorted(arguments)
    if not types.keys() >= set(names):
        return None
    given = [sql.SQL("{0} => r.{0}").format(sql.Identifier(name)) for name in names]
    read = [sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(types[name])) for name in names]
    source = sql.SQL("json_to_record(%s::json) as r({})").format(sql.SQL(", ").join(read))
    return (
        sql.SQL("select {}({}) from {}")
        .format(
            sql.Identifier(schema, function),
            sql.SQL(", ").join(given),
            source if names else sql.SQL("(select %s::json) as r"),
        )
        .as_string(None)
    )
