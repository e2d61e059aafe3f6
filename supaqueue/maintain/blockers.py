"""Who holds the lock that a session is waiting for.

Postgres only tells while the wait lasts, so a thread looks from a second connection meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event, Thread
from types import TracebackType
from typing import Self

from supaqueue.errors import SupaqueueError
from supaqueue.maintain.connection import Connection, connect, psycopg


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session that others wait for; what this role may not see is None."""

    pid: int
    application: str | None
    state: str | None
    seconds: float | None

    def __str__(self) -> str:
        application = f'"{self.application}"' if self.application else "an unnamed session"
        state = self.state or "in a state that this role may not see"
        duration = "" if self.seconds is None else f", its transaction is {self.seconds:.0f} s old"
        return f"{application} (pid {self.pid}, {state}{duration})"


def find_blockers(connection: Connection, pid: int) -> list[Blocker]:
    """Return the sessions that keep the backend `pid` waiting, each once."""
    rows = connection.execute(
        """
        select distinct blocking.pid, nullif(a.application_name, ''), a.state,
               extract(epoch from clock_timestamp() - a.xact_start)::float8
          from unnest(pg_catalog.pg_blocking_pids(%s)) as blocking (pid)
          left join pg_catalog.pg_stat_activity a on a.pid = blocking.pid
         order by 1
        """,
        [pid],
    )
    return [Blocker(*row) for row in rows]


class BlockerWatch:
    """Remembers who last blocked a backend; connects only once a statement takes long.

    Args:
        database_url: where to look.
        interval: seconds until the first look and between looks; under half of the lock timeout.
    """

    def __init__(self, database_url: str, interval: float) -> None:
        self.blockers: list[Blocker] = []
        self._database_url = database_url
        self._interval = interval
        self._stopped = Event()
        self._thread: Thread | None = None

    def start(self, pid: int) -> None:
        """Begin to look at the backend `pid`."""
        self._thread = Thread(target=self._look, args=(pid,), name="supaqueue-blockers", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self, pid: int) -> None:
        if self._stopped.wait(self._interval):
            return
        # Without a second connection the error just names nobody.
        try:
            with connect(self._database_url) as connection:
                self._look_until_stopped(connection, pid)
        except (psycopg.Error, SupaqueueError):
            return

    def _look_until_stopped(self, connection: Connection, pid: int) -> None:
        while not self._stopped.is_set():
            self.blockers = find_blockers(connection, pid) or self.blockers
            self._stopped.wait(self._interval)
