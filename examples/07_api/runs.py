"""The API's own table of runs. A run's id is its job's."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

TABLE = """
create table if not exists runs (
    run_id text primary key,
    org text not null,
    workflow text not null,
    status text not null check (status in ('enqueue_unknown', 'queued')),
    created_at real not null
)
"""


class RunGone(LookupError):
    """There is no such run: there never was, or it was removed again."""


@dataclass(frozen=True)
class Run:
    run_id: str
    org: str
    workflow: str
    status: str


class Runs:
    """For threads; each call is one transaction."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._transaction() as database:
            database.execute(TABLE)

    def add(self, run_id: str, org: str, workflow: str) -> None:
        with self._transaction() as database:
            row = (run_id, org, workflow, "enqueue_unknown", time.time())
            database.execute("insert into runs values (?, ?, ?, ?, ?)", row)

    def confirm(self, run_ids: Sequence[str]) -> None:
        """Say that they are enqueued; raises RunGone, for then nobody may be told that they are."""
        with self._transaction() as database:
            for run_id in run_ids:
                found = database.execute("update runs set status = 'queued' where run_id = ?", (run_id,))
                if found.rowcount == 0:
                    raise RunGone(run_id)

    def remove(self, run_ids: Sequence[str]) -> None:
        with self._transaction() as database:
            database.executemany("delete from runs where run_id = ?", [(run_id,) for run_id in run_ids])

    def get(self, org: str, workflow: str, run_id: str) -> Run:
        query = "select run_id, org, workflow, status from runs where (run_id, org, workflow) = (?, ?, ?)"
        with self._transaction() as database:
            found = database.execute(query, (run_id, org, workflow)).fetchone()
        if found is None:
            raise RunGone(run_id)
        return Run(*found)

    def unknown(self, older_than: float, limit: int) -> list[str]:
        """Return the ids of runs of which it is still not known whether they are enqueued."""
        query = "select run_id from runs where status = 'enqueue_unknown' and created_at <= ? limit ?"
        with self._transaction() as database:
            return [row[0] for row in database.execute(query, (time.time() - older_than, limit))]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path)) as database, database:
            yield database
