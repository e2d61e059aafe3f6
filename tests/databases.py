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
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from supaqueue.devstack import Stack

Session: TypeAlias = psycopg.Connection[Any]
IDLE = TransactionStatus.IDLE

KEPT = frozenset({"job_settings", "supaqueue_migrations"})
"""Tables that a migration fills, and no test changes."""

FLAG = """insert into feature_flag
          (flag_name, stage, is_enabled, rollout_percent, holdback_percent, updated_by)
          values ('supabase_queue', 'complete', true, 100, 0, 'migration')"""
"""As the migration leaves it."""

CATALOGUE = """
select sum(hashtextextended(line, 0)) from (
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


SIZES = """select relname, pg_relation_size(oid) from pg_class
           where relnamespace = 'public'::regnamespace and relkind = 'r' and pg_relation_size(oid) > 0"""
SEQUENCES = "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'S'"
FEW_BYTES = 65_536
"""A table up to this size is emptied sooner by a delete; what that leaves of dead rows stays below it."""

RESET = """reset session authorization; reset role; reset all; select pg_advisory_unlock_all();
           unlisten *; close all; discard temp"""
"""A session that is as new, but for the plans that it has made."""


class Databases:
    """Copies of the migrated database, of every stack."""

    def __init__(self) -> None:
        self._empty: dict[str, list[str]] = defaultdict(list)
        self._catalogues: dict[str, str] = {}
        self._sessions: dict[str, list[Session]] = defaultdict(list)

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
                for session in self._sessions.pop(make_conninfo(stack.database_url, dbname=name), []):
                    session.close()
                _run(stack, "drop database {} with (force)", name)

    def connect(self, address: str) -> Session:
        """Open a session on such a database, or take up one that another test has given back.

        It prepares nothing by itself: a plan made for an empty table would be kept for one of thousands.
        """
        idle = self._sessions[address]
        return idle.pop() if idle else psycopg.connect(address, autocommit=True, prepare_threshold=None)

    def give_back(self, address: str, session: Session) -> None:
        """Keep a session for the next test, unless this one closed it, broke it, or left it at work."""
        is_idle = not session.closed and session.info.transaction_status == IDLE and session.autocommit
        with suppress(psycopg.Error):
            if is_idle:
                session.execute(RESET)
                session.row_factory, session.prepare_threshold = tuple_row, None
                self._sessions[address].append(session)
                return
        session.close()

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
    tables = [(name, size) for name, size in session.execute(SIZES).fetchall() if name not in KEPT]
    sequences = session.execute(SEQUENCES).fetchall()
    restart = [sql.SQL("select setval({}, 1, false)").format(sql.Literal(one)) for (one,) in sequences]
    # The flag's own triggers let nobody truncate it; and no foreign key asks for an order.
    settings = sql.SQL("set lock_timeout = '2s'; set session_replication_role = replica")
    session.execute(sql.SQL("; ").join([settings, *_emptying(tables), *restart, sql.SQL(FLAG)]))


def _emptying(tables: list[tuple[str, int]]) -> list[sql.Composed]:
    large = [sql.Identifier(name) for name, size in tables if size > FEW_BYTES]
    truncated = [sql.SQL("truncate {} cascade").format(sql.SQL(", ").join(large))] if large else []
    return truncated + [sql.SQL("delete from {}").format(sql.Identifier(name)) for name, _ in tables]


def _catalogue(session: Session) -> str:
    row = session.execute(CATALOGUE).fetchone()
    assert row is not None
    return str(row[0])


def _run(stack: Stack, command: LiteralString, name: str) -> None:
    with _session(stack, "postgres") as session:
        session.execute(sql.SQL(command).format(sql.Identifier(name)))


def _session(stack: Stack, name: str) -> Session:
    return psycopg.connect(make_conninfo(stack.superuser_url, dbname=name), autocommit=True)
