"""Which jobs had an attempt that failed, of which their owner's mirrors are to be told. In a transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from supaqueue.cutover.stamp import Stamp


def note(db: sqlite3.Connection, stamp: Stamp) -> None:
    """Keep that an attempt failed, unless that is known of this epoch."""
    db.execute(
        "insert into first_failure (job_id, epoch) values (?, ?) on conflict (job_id)"
        " do update set epoch = excluded.epoch, is_unsent = 1 where epoch < excluded.epoch",
        (stamp.job_id, stamp.epoch),
    )


def unsent(db: sqlite3.Connection, limit: int) -> list[Stamp]:
    """Return those of which nobody was told, oldest first."""
    rows = db.execute(
        "select job_id, epoch from first_failure where is_unsent = 1 order by number limit ?", [limit]
    )
    return [Stamp(job_id, epoch) for job_id, epoch in rows]


def sent(db: sqlite3.Connection, stamps: Sequence[Stamp]) -> None:
    """Note that somebody was told."""
    db.executemany(
        "update first_failure set is_unsent = 0 where job_id = ? and epoch = ?",
        [(stamp.job_id, stamp.epoch) for stamp in stamps],
    )


def forget(db: sqlite3.Connection, job_ids: Sequence[str]) -> None:
    """Remove what was noted of jobs."""
    db.execute(
        "delete from first_failure where job_id in (select value from json_each(?))",
        [json.dumps(list(job_ids))],
    )
