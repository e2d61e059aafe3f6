"""One SQLite file that threads and processes share, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.errors import Committed

BUSY_SECONDS = 10.0
_NOTHING_WRITTEN = ("SQLITE_FULL", "SQLITE_READONLY", "SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_NOTADB")


_files: weakref.WeakSet[SqliteFile] = weakref.WeakSet()
_paused: list[SqliteFile] = []
"""While a fork is made: those that wait for it."""


class SqliteFile:
    """A file with one connection per process, opened at first use, used by one thread at a time.

    A fork waits until that thread is done, and closes the connection: SQLite knows locks by process.

    Args:
        path: of the file; its folder must exist.
        schema: what creates tables and indexes that are not there.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self.path = path
        self._schema = schema
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        _files.add(self)

    @contextmanager
    def transaction(self, call: str) -> Iterator[sqlite3.Connection]:
        """Write, as the only writer of the file, from here to the end of the block; all or nothing.

        Raises:
            LegacyUnavailable: nothing was written, but where `committed` says `unknown`.
        """
        with self._lock:
            connection = self._opened(call)
            with self._translated(call, "no"):
                connection.execute("begin immediate")
            try:
                with self._translated(call, "no"):
                    yield connection
                with self._translated(call, "unknown"):
                    connection.execute("commit")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("rollback")
                raise

    @contextmanager
    def reading(self, call: str) -> Iterator[sqlite3.Connection]:
        """Read; what others write meanwhile holds nobody up.

        Raises:
            LegacyUnavailable: the file cannot be read.
        """
        with self._lock, self._translated(call, "no"):
            yield self._opened(call)

    def close(self) -> None:
        """Close the connection; the next call opens another one."""
        self.pause()
        self.go_on()

    def pause(self) -> None:
        """Close the connection, and let no thread open it until `go_on`."""
        self._lock.acquire()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def go_on(self) -> None:
        """Let threads open it again."""
        self._lock.release()

    def _opened(self, call: str) -> sqlite3.Connection:
        if self._connection is None:
            with self._translated(call, "no"):
                self._connection = self._open()
        return self._connection

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            _use_write_ahead_log(connection)
            connection.execute("pragma synchronous = full")
            connection.execute("begin immediate")
            for statement in self._schema.split(";"):
                connection.execute(statement)
            connection.execute("commit")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _translated(self, call: str, committed: Committed) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            name = getattr(error, "sqlite_errorname", "")
            nothing = committed == "no" or name.startswith(_NOTHING_WRITTEN)
            raise LegacyUnavailable(
                f"the index {self.path.name} of the legacy folder gave no answer: {error}{_next_step(name)}",
                call=call,
                committed="no" if nothing else "unknown",
            ) from error


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    # Of several that make a file at once SQLite refuses all but one here, without waiting as elsewhere.
    give_up_at = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError as busy:
            if not busy.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > give_up_at:
                raise
        time.sleep(0.01)


def _before_fork() -> None:
    _paused.extend(_files)
    for file in _paused:
        file.pause()


def _after_fork() -> None:
    while _paused:
        _paused.pop().go_on()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


def _next_step(name: str) -> str:
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return "; free some space on its disk, or look at the disk's health"
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return "; its folder must exist and be writable for this user"
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return "; it is damaged: move it away, and make it again from the folder"
    if name.startswith("SQLITE_BUSY"):
        return f"; another process writes since {BUSY_SECONDS:g} s"
    return ""
