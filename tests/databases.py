"""Databases for tests: made once, and emptied for the next test unless a test changed more than rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, LiteralString, TypeAlias
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from supaqueue.devstack import Stack

Session: TypeAlias = psycopg.Connection[Any]

KEPT = frozenset({"job_settings", "supaqueue_migrations"})
"""Tables that a migration fills, and no test changes."""

FLAG = """insert into feature_flag
          (flag_name, stage, is_enabled, rollout_percent, holdback_percent, updated_by)
          values ('supabase_queue', 'complete', true, 100, 0, 'migration')"""
"""As the migration leaves it."""

CATALOGUE = """
select md5(string_agg(line, ' ' order by line)) from (
    select concat_ws(' ', 'c', relname, relkind, relacl, reloptions, relrowsecurity, relnatts)
    from pg_class where relnamespace = 'public'::regnamespace
    union all select concat_ws(' ', 'p', oid, xmin) from pg_proc where pronamespace = 'public'::regnamespace
    union all select concat_ws(' ', 't', oid, tgenabled) from pg_trigger where not tgisinternal
    union all select concat_ws(' ', 'k', oid, convalidated) from pg_constraint
    union all select concat_ws(' ', 'd', pg_get_expr(adbin, adrelid)) from pg_attrdef
    union all select concat_ws(' ', 'n', nspname, nspacl) from pg_namespace
        where nspname !~ '^pg_(toast_)?temp'
    union all select concat_ws(' ', 's', setconfig) from pg_db_role_setting
        where setdatabase = (select oid from pg_database where datname = current_database())
    union all select concat_ws(' ', 'x', count(*)) from pg_statistic
        where starelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)
) as catalogue (line)
"""
"""What differs once a test has made, altered or analysed something."""


NAMES = "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = %s"


class Databases:
    """Copies of the migrated database, of every stack."""

    def __init__(self) -> None:
        self._empty: dict[str, list[str]] = defaultdict(list)
        self._catalogues: dict[str, str] = {}

    @contextmanager
    def one(self, stack: Stack) -> Iterator[str]:
        """Give the connection string of an empty, migrated database that nobody else uses meanwhile."""
        empty = self._empty[stack.superuser_url]
        name = empty.pop() if empty else self._new(stack)
        try:
            yield make_conninfo(stack.database_url, dbname=name)
        finally:
            if self._emptied(stack, name):
                empty.append(name)
            else:
                _run(stack, "drop database {} with (force)", name)

    def _new(self, stack: Stack) -> str:
        name = f"test_{uuid4().hex}"
        _run(stack, "create database {} template migrated owner postgres", name)
        with _session(stack, name) as session:
            self._catalogues[name] = _catalogue(session)
        return name

    def _emptied(self, stack: Stack, name: str) -> bool:
        """Empty it, unless a test changed the catalogue or left behind a session that holds locks."""
        with suppress(psycopg.Error), _session(stack, name) as session:
            if _catalogue(session) == self._catalogues[name]:
                _empty(session)
                return True
        return False


def _empty(session: Session) -> None:
    tables = {row[0] for row in session.execute(NAMES, ["r"])} - KEPT
    sequences = [row[0] for row in session.execute(NAMES, ["S"])]
    restart = [sql.SQL("select setval({}, 1, false)").format(sql.Literal(one)) for one in sequences]
    truncate = sql.SQL("truncate {}").format(sql.SQL(", ").join(map(sql.Identifier, sorted(tables))))
    # The flag's own triggers let nobody truncate it.
    settings = sql.SQL("set lock_timeout = '2s'; set session_replication_role = replica")
    session.execute(sql.SQL("; ").join([settings, truncate, *restart, sql.SQL(FLAG)]))


def _catalogue(session: Session) -> str:
    row = session.execute(CATALOGUE).fetchone()
    assert row is not None
    return str(row[0])


def _run(stack: Stack, command: LiteralString, name: str) -> None:
    with _session(stack, "postgres") as session:
        session.execute(sql.SQL(command).format(sql.Identifier(name)))


def _session(stack: Stack, name: str) -> Session:
    return psycopg.connect(make_conninfo(stack.superuser_url, dbname=name), autocommit=True)
