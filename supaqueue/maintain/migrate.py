"""Brings a schema up to the SQL of this version."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from itertools import groupby

from supaqueue.errors import InvalidInput, MigrationError
from supaqueue.maintain.connection import Connection, connect, psycopg
from supaqueue.maintain.failures import explain, is_transient
from supaqueue.maintain.schema import checked_schema
from supaqueue.maintain.sql_files import SqlFiles
from supaqueue.maintain.steps import Step
from supaqueue.maintain.transaction import Transaction, due_steps, read_steps

logger = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS = 5.0


class Migrator:
    """Applies the SQL files to a schema, as often as asked with the same end.

    Every migration has a transaction of its own. The functions that are due and the grants share the last
    one: no caller meets half of the functions, and none of them is open to `anon` until the grants are set.

    Args:
        database_url: a Postgres connection string; a transaction pooler's will do.
        schema: where to install; created if it does not exist.
        files: the SQL to apply; by default that of this version.
        lock_timeout: seconds to wait for a lock, since others queue behind whoever waits.
        tries: how often a transaction that did not get its locks is tried.

    Raises:
        InvalidInput: the schema's name, `lock_timeout` or `tries` cannot be.
    """

    def __init__(
        self,
        database_url: str,
        schema: str = "public",
        *,
        files: SqlFiles | None = None,
        lock_timeout: float = 3.0,
        tries: int = 5,
    ) -> None:
        if lock_timeout <= 0:
            raise InvalidInput("must be above 0 seconds", field="lock_timeout")
        if tries < 1:
            raise InvalidInput("must be at least 1", field="tries")
        self.schema = checked_schema(schema)
        self.files = files or SqlFiles.shipped()
        self._database_url = database_url
        self._lock_timeout = lock_timeout
        self._tries = tries

    def status(self) -> list[Step]:
        """Return where every file stands, whatever `apply` would say to it; changes nothing.

        Raises:
            ConfigurationError: the connection string is malformed.
            MigrationError: no connection, or the ledger may not be read.
        """
        return self._read(read_steps)

    def plan(self) -> list[Step]:
        """Return the steps that `apply` would take, in order; changes nothing.

        Raises:
            ConfigurationError, MigrationError: as `apply` does, for all that can be known before.
        """
        return self._read(due_steps)

    def apply(self) -> list[Step]:
        """Apply what is due and return it; the grants are among it each time.

        Raises:
            ConfigurationError: the connection string is malformed.
            MigrationError: no connection; a foreign relation has the name of one of our tables; a released
                migration was altered; the installed SQL is newer; a file failed or did not get its locks.
        """
        with connect(self._database_url) as connection:
            steps = [self._apply_together(connection, names) for names in self._transactions()]
        return [step for applied in steps for step in applied]

    def _read(self, read: Callable[[Connection, SqlFiles, str], list[Step]]) -> list[Step]:
        try:
            with connect(self._database_url) as connection:
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                connection.read_only = True
                with connection.transaction():
                    return read(connection, self.files, self.schema)
        except psycopg.Error as error:
            raise MigrationError(explain(error, "the ledger", self.schema)) from error

    def _transactions(self) -> Iterator[list[str]]:
        groups = groupby(self.files, key=lambda file: file.name if file.kind == "migration" else "the rest")
        for _, group in groups:
            yield [file.name for file in group]

    def _apply_together(self, connection: Connection, names: list[str]) -> list[Step]:
        for attempt in range(1, self._tries + 1):
            transaction = Transaction(connection, self._database_url, self.schema, self._lock_timeout, names)
            try:
                return transaction.run(self.files)
            except psycopg.Error as error:
                if attempt == self._tries or not is_transient(error):
                    raise transaction.failure(error, attempt) from error
            logger.warning("%s: did not get its locks, try %d of %d", names[0], attempt, self._tries)
            time.sleep(min(0.5 * 2**attempt, LONGEST_PAUSE_SECONDS))
        raise AssertionError("unreachable: the last try returns or raises")
