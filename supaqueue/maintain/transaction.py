"""One transaction of a migrate: its turn among others, its limits, its files."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from supaqueue.errors import MigrationError
from supaqueue.maintain.blockers import BlockerWatch
from supaqueue.maintain.connection import Connection, connect, psycopg
from supaqueue.maintain.failures import explain, explain_lock, line_of
from supaqueue.maintain.ledger import CREATE, TABLE, read_ledger, record_sql, relations
from supaqueue.maintain.schema import RELOAD_SCHEMA_CACHE, quote_identifier, search_path
from supaqueue.maintain.sql_files import SqlFile, SqlFiles
from supaqueue.maintain.steps import Step, compare, refuse_unsafe


def read_steps(connection: Connection, files: SqlFiles, schema: str) -> list[Step]:
    """Return where every file stands."""
    return compare(files, read_ledger(connection, schema))


def due_steps(connection: Connection, files: SqlFiles, schema: str) -> list[Step]:
    """Return what is to be applied, in order; raises `MigrationError` if that would do harm.

    Ledger and tables must be read as of one moment: in one snapshot, or during our turn.
    """
    ledger = read_ledger(connection, schema)
    steps = compare(files, ledger)
    refuse_unsafe(steps, ledger)
    _refuse_foreign_tables(connection, schema, steps)
    return [step for step in steps if step.due]


@dataclass(slots=True)
class Transaction:
    """The files of `names` that are due, applied together or not at all; made anew for each try."""

    connection: Connection
    database_url: str
    schema: str
    lock_timeout: float
    names: Collection[str]
    watch: BlockerWatch = field(init=False)
    current: SqlFile | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.watch = BlockerWatch(self.database_url, self.lock_timeout / 3)

    def run(self, files: SqlFiles) -> list[Step]:
        """Apply what is still due once it is our turn, and return it; raises `psycopg.Error`."""
        with self.watch, self.connection.transaction():
            self._set_limits()
            self._take_turn()
            due = [step for step in due_steps(self.connection, files, self.schema) if step.name in self.names]
            if due:
                self._prepare()
            for step in due:
                assert step.file is not None
                self._apply(step.file)
            return [replace(step, state="applied") for step in due]

    def failure(self, error: psycopg.Error, tries: int) -> MigrationError:
        """Return what the user is told if `run` raised `error` at the last of `tries`."""
        file, name = self.current, self.current.name if self.current else min(self.names)
        if isinstance(error, psycopg.errors.LockNotAvailable):
            cause = explain_lock(name, self.watch.blockers, tries, self.lock_timeout)
        else:
            line = line_of(error, file) if file else None
            cause = explain(error, f"{name}, line {line}" if line else name, self.schema)
        if file and not file.in_transaction:
            return MigrationError(f"{cause} It runs outside a transaction: statements before that one stay.")
        return MigrationError(f"{cause} Nothing of {name} was applied.")

    def _set_limits(self) -> None:
        self._execute(f"set local lock_timeout to {max(1, round(self.lock_timeout * 1000))}")
        self._execute("set local statement_timeout to 0")
        self._execute("set local idle_in_transaction_session_timeout to 0")

    def _take_turn(self) -> None:
        # A session's lock would not survive a transaction pooler, so it is the transaction's.
        self.watch.start(_backend(self.connection))
        key = f"supaqueue migrate {self.schema}"
        self.connection.execute("select pg_advisory_xact_lock(hashtext(%s))", [key])

    def _prepare(self) -> None:
        # `create schema if not exists` asks for the right to create even if there is nothing to create.
        query = "select from pg_catalog.pg_namespace where nspname = %s"
        if self.connection.execute(query, [self.schema]).fetchone() is None:
            self._execute(f"create schema {quote_identifier(self.schema)}")
        self._execute(f"set local search_path to {search_path(self.schema)}")
        self._execute("set local check_function_bodies to off")
        if not relations(self.connection, self.schema, [TABLE]):
            self._execute(CREATE)

    def _apply(self, file: SqlFile) -> None:
        self.current = file
        if file.in_transaction:
            self._execute(file.sql)
        else:
            self._apply_outside(file)
        self._execute(record_sql(file))
        if file.kind == "grants":
            self._execute(RELOAD_SCHEMA_CACHE)

    def _apply_outside(self, file: SqlFile) -> None:
        # This transaction stays open beside it: it keeps our turn and, idle, has no snapshot for which a
        # concurrent index build would wait. Nor does that build block writes, so it may wait for locks.
        self._execute("select")  # closes the portal of the last query with arguments, and its snapshot
        with connect(self.database_url) as session:
            _refuse_pooler(session, file)
            session.execute(f"set search_path to {search_path(self.schema)}".encode())
            session.execute("set lock_timeout to 0; set statement_timeout to 0")
            for statement in file.statements:
                session.execute(statement.encode())

    def _execute(self, text: str) -> None:
        self.connection.execute(text.encode())


def _backend(connection: Connection) -> int:
    row = connection.execute("select pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])


def _refuse_pooler(session: Connection, file: SqlFile) -> None:
    # A pooler may run each statement in another session, hence in another schema than the one just set.
    # It gives itself away: the process number in its greeting is its own invention.
    if _backend(session) != session.info.backend_pid:
        raise MigrationError(
            f"{file.name} runs outside a transaction, which is not safe through a pooler. "
            "Nothing of it was applied. Use the database's direct connection string for this migrate."
        )


def _refuse_foreign_tables(connection: Connection, schema: str, steps: list[Step]) -> None:
    pending = [step.file for step in steps if step.file is not None and step.state == "pending"]
    foreign = relations(connection, schema, [table for file in pending for table in file.tables])
    if foreign:
        names = ", ".join(f'"{name}"' for name in foreign)
        raise MigrationError(
            f'The schema "{schema}" already holds {names}, which supaqueue did not create. That was left '
            "alone and nothing was created. Install beside it with --schema NAME, for example --schema queue."
        )
