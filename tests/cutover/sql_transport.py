"""Calls straight to a database session: for tests that make tens of thousands of them."""

from __future__ import annotations

from typing import Any, TypeVar

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from supaqueue.contract import Call, Json
from supaqueue.errors import CallRefused

Reply = TypeVar("Reply")

ARGUMENTS = """
select p.proname, array_agg(a.name order by a.n), array_agg(format_type(t.oid, null) order by a.n)
from pg_proc p
cross join lateral unnest(p.proargnames[1:p.pronargs]) with ordinality as a (name, n)
join lateral (select oid from pg_type where oid = p.proargtypes[a.n - 1]) as t on true
where p.pronamespace = 'public'::regnamespace and p.proname like '%\\_v1'
group by p.proname
"""


class SqlTransport:
    """A transport over one session. What Postgres refuses is a `CallRefused`, as over HTTP."""

    def __init__(self, database: psycopg.Connection[Any]) -> None:
        self._database = database
        self._types: dict[str, dict[str, str]] = {
            name: dict(zip(names, types, strict=True)) for name, names, types in database.execute(ARGUMENTS)
        }

    def send(self, call: Call[Reply]) -> Reply:
        """Make the call, once."""
        types = self._types[call.function]
        given = call.arguments()
        named = [
            sql.SQL("{} => %s::{}").format(sql.Identifier(name), sql.SQL(types[name]))  # type: ignore[arg-type]
            for name in given
        ]
        query = sql.SQL("select {}({})").format(sql.Identifier(call.function), sql.SQL(", ").join(named))
        values = [_value(types[name], value) for name, value in given.items()]
        try:
            row = self._database.execute(query, values).fetchone()
        except psycopg.Error as error:
            message = error.diag.message_primary or str(error)
            raise CallRefused(message, call=call.function, sqlstate=error.sqlstate) from error
        assert row is not None
        return call.parse(row[0])

    def close(self) -> None: ...


def _value(kind: str, value: Json) -> Any:
    return Jsonb(value) if kind == "jsonb" and value is not None else value
