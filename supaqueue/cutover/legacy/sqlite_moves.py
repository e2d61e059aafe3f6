"""What each call makes of one entry in SQLite. The caller is in a transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from supaqueue.contract import NewJob
from supaqueue.cutover.legacy.entry import BrokenGlass, ClosedAs, Ending, Entry, EntryState, Owner
from supaqueue.cutover.legacy.index import (
    AdoptAnswer,
    CloseAnswer,
    FinishAnswer,
    ReleaseAnswer,
    StartAnswer,
)
from supaqueue.cutover.legacy.sqlite_entry import (
    COLUMNS,
    broken_text,
    content_of,
    ending_text,
    entry_of,
    microseconds,
    with_repeat,
)
from supaqueue.cutover.stamp import Stamp

NOTES_FORGOTTEN = 10
"""At each new note: more than come, so that what is over is soon gone."""


def rows_of(db: sqlite3.Connection, job_ids: Iterable[str]) -> dict[str, tuple[Any, ...]]:
    """Return the rows of COLUMNS of those that there are."""
    rows = db.execute(
        f"select {COLUMNS} from job where job_id in (select value from json_each(?))",  # noqa: S608
        [json.dumps(list(job_ids))],
    )
    return {row[0]: row for row in rows}


def entry_in(db: sqlite3.Connection, job_id: str) -> Entry | None:
    """Return one entry."""
    row = rows_of(db, [job_id]).get(job_id)
    return None if row is None else entry_of(row)


def reserve(db: sqlite3.Connection, job_ids: Sequence[str], now: datetime) -> list[Owner]:
    """Reserve ids that nothing is known of; returns who has each."""
    known = {job_id: entry_of(row) for job_id, row in rows_of(db, job_ids).items()}
    db.executemany(
        "insert into reserved values (?, ?) on conflict do update set reserved_at = excluded.reserved_at",
        [(job_id, microseconds(now)) for job_id in job_ids if job_id not in known],
    )
    return [known[job_id].owner if job_id in known else "supabase" for job_id in job_ids]


def reserved_in(db: sqlite3.Connection, job_ids: Sequence[str]) -> set[str]:
    """Return those ids that are reserved."""
    found = db.execute(
        "select job_id from reserved where job_id in (select value from json_each(?))",
        [json.dumps(list(job_ids))],
    )
    return {job_id for (job_id,) in found}


def forget(db: sqlite3.Connection, before: int, limit: int) -> list[str]:
    """Remove entries that ended or were closed, and were told, before a time; returns their ids."""
    removed = db.execute(
        "delete from job where rowid in (select rowid from job where is_unsent = 0 and ended_at < ?"
        " and (due_at is null or due_at < ? or closed_as is not 'taken_over')"
        " order by ended_at limit ?) returning job_id",
        (before, before, limit),
    )
    return [job_id for (job_id,) in removed.fetchall()]


def forget_reserved(db: sqlite3.Connection, before: datetime, limit: int) -> int:
    """Remove reservations of before a time; returns how many."""
    return db.execute(
        "delete from reserved where rowid in (select rowid from reserved"
        " where reserved_at < ? order by reserved_at limit ?)",
        (microseconds(before), limit),
    ).rowcount


def insert(
    db: sqlite3.Connection,
    job: NewJob,
    now: datetime,
    *,
    owner: Owner,
    epoch: int,
    state: EntryState,
    due_at: datetime | None,
) -> tuple[Any, ...]:
    """Store a job that is not there; returns its row."""
    due = None if due_at is None else microseconds(due_at)
    given = (job.job_id, content_of(job), owner, epoch, state, microseconds(now), due)
    db.execute(
        "insert into job (job_id, content, owner, epoch, state, accepted_at, due_at)"
        " values (?, ?, ?, ?, ?, ?, ?)",
        given,
    )
    return (*given, None, None, None, 0, 0, None, None, None, None)


def release(db: sqlite3.Connection, stamp: Stamp, job: NewJob, now: datetime) -> ReleaseAnswer:
    """Make a job legacy's under the stamp's epoch, if that is later than what is known."""
    entry = entry_in(db, stamp.job_id)
    if entry is None:
        insert(db, job, now, owner="legacy", epoch=stamp.epoch, state="intent", due_at=job.run_at)
        return "released"
    if entry.epoch > stamp.epoch:
        return "stale"
    if entry.closed_as in ("cancelled", "abandoned"):
        return "closed"
    if entry.epoch == stamp.epoch:
        # One of Supabase's under this epoch was taken over under a later one.
        return "exists" if entry.owner == "legacy" else "stale"
    if entry.owner == "legacy" and entry.ending is not None:
        return "closed"
    db.execute(
        "update job set owner = 'legacy', epoch = ?, state = 'intent', due_at = ?, native_id = null,"
        " runner = null, runs_until = null, starts = 0, cancel_requested = 0, closed_as = null,"
        " ending = null, ended_at = null, is_unsent = 0, broken_glass = null where job_id = ?",
        (stamp.epoch, None if job.run_at is None else microseconds(job.run_at), stamp.job_id),
    )
    return "released"


def break_glass(db: sqlite3.Connection, job_id: str, broken: BrokenGlass, now: datetime) -> Stamp | None:
    """Let a job run here that only Supabase could allow; see `Index`."""
    entry = entry_in(db, job_id)
    if entry is None or entry.job is None or entry.ending is not None:
        return None
    if entry.owner == "supabase" and (entry.state == "parked" or entry.closed_as == "taken_over"):
        epoch = entry.epoch + 1
        db.execute(
            "update job set owner = 'legacy', epoch = ?, state = 'intent', native_id = null, runner = null,"
            " runs_until = null, starts = 0, cancel_requested = 0, closed_as = null, ended_at = null,"
            " broken_glass = ? where job_id = ?",
            (epoch, broken_text(broken, now), job_id),
        )
        return Stamp(job_id, epoch)
    if entry.owner != "legacy" or entry.state == "closed" or entry.epoch == 0:
        return None
    db.execute(
        "update job set broken_glass = coalesce(broken_glass, ?) where job_id = ?",
        (broken_text(broken, now), job_id),
    )
    return Stamp(job_id, entry.epoch)


def settle(db: sqlite3.Connection, job: NewJob, ending: Ending, now: datetime) -> None:
    """Close a parked copy, stored now if it was not there. What ended again, after a replay, ended so."""
    if not rows_of(db, [job.job_id]):
        insert(db, job, now, owner="supabase", epoch=0, state="parked", due_at=job.run_at)
    db.execute(
        "update job set state = 'closed', closed_as = coalesce(closed_as, 'settled'), ending = ?,"
        " ended_at = ? where job_id = ? and owner = 'supabase'",
        (ending_text(ending), microseconds(ending.ended_at or now), job.job_id),
    )


def start_refused(entry: Entry | None, stamp: Stamp, runner: str, now: datetime) -> StartAnswer | None:
    """Say why the marker cannot be taken; None if it can."""
    if entry is None:
        return "unknown"
    if entry.epoch > stamp.epoch:
        return "stale"
    if entry.state == "closed":
        return "closed"
    if entry.ending is not None:
        return "ended"
    if entry.epoch < stamp.epoch or entry.owner != "legacy":
        return "unknown"
    return "busy" if entry.runner != runner and _is_marked(entry, now) else None


def start(db: sqlite3.Connection, stamp: Stamp, runner: str, seconds: float, now: datetime) -> StartAnswer:
    """Take the run marker, if it can be taken."""
    if refusal := start_refused(entry_in(db, stamp.job_id), stamp, runner, now):
        return refusal
    db.execute(
        "update job set starts = starts + (runner is not ?), runner = ?, runs_until = ? where job_id = ?",
        (runner, runner, later(now, seconds), stamp.job_id),
    )
    return "started"


def note(db: sqlite3.Connection, job_id: str, now: datetime, kept_from: datetime) -> None:
    """Note and count that a message without a stamp runs; a few notes from before `kept_from` go."""
    at = microseconds(now)
    db.execute("insert or replace into noted values (?, ?)", (job_id, at))
    db.execute(
        "insert into unstamped values (1, 1, ?)"
        " on conflict do update set runs = runs + 1, last_at = excluded.last_at",
        [at],
    )
    forget_notes(db, microseconds(kept_from), NOTES_FORGOTTEN)


def forget_notes(db: sqlite3.Connection, before: int, limit: int) -> None:
    """Remove notes from before a time, the oldest first."""
    db.execute(
        "delete from noted where job_id in (select job_id from noted where at < ? order by at limit ?)",
        (before, limit),
    )


def adopt(db: sqlite3.Connection, job: NewJob, native_id: str, now: datetime) -> AdoptAnswer:
    """Make a message without a stamp an entry, unless it has begun."""
    if rows_of(db, [job.job_id]):
        return "exists"
    if db.execute("select 1 from noted where job_id = ?", [job.job_id]).fetchone():
        return "begun"
    insert(db, job, now, owner="legacy", epoch=0, state="published", due_at=job.run_at)
    db.execute("update job set native_id = ? where job_id = ?", (native_id, job.job_id))
    return "adopted"


def is_held_by(entry: Entry | None, stamp: Stamp, runner: str) -> bool:
    """Say whether this runner holds the marker, or did when it expired, and nobody took it since."""
    return entry is not None and entry.ending is None and (entry.epoch, entry.runner) == (stamp.epoch, runner)


def finish(db: sqlite3.Connection, stamp: Stamp, runner: str, ending: Ending, now: datetime) -> FinishAnswer:
    """Record an ending, unless the marker is another's; one that was given back is nobody's."""
    entry = entry_in(db, stamp.job_id)
    if entry is None or entry.epoch != stamp.epoch or entry.runner not in (None, runner):
        return "lost"
    if entry.ending is not None:
        return "recorded" if entry.runner == runner else "lost"
    if entry.state == "closed" or entry.owner != "legacy":
        return "lost"
    db.execute("update job set runner = ? where job_id = ?", (runner, stamp.job_id))
    end(db, stamp.job_id, ending, now)
    return "recorded"


def free(db: sqlite3.Connection, stamp: Stamp, runner: str) -> bool:
    """Give the marker back; False if it was not this runner's."""
    freed = db.execute(
        "update job set runner = null, runs_until = null"
        " where job_id = ? and epoch = ? and runner = ? and ended_at is null",
        (stamp.job_id, stamp.epoch, runner),
    )
    return freed.rowcount > 0


def record_repeat(db: sqlite3.Connection, stamp: Stamp, repeat: Ending) -> None:
    """Note what a second run came to beside how the first one ended."""
    found = db.execute(
        "select ending from job where job_id = ? and epoch = ? and owner = 'legacy' and ending is not null",
        (stamp.job_id, stamp.epoch),
    ).fetchone()
    if found is not None:
        text = with_repeat(found[0], repeat)
        db.execute("update job set ending = ? where job_id = ?", (text, stamp.job_id))


def later(now: datetime, seconds: float) -> int:
    """Return the time so many seconds from now, as it is stored."""
    return microseconds(now + timedelta(seconds=seconds))


def end(db: sqlite3.Connection, job_id: str, ending: Ending, now: datetime) -> None:
    """Record an ending that the owner's mirror is to be told."""
    db.execute(
        "update job set ending = ?, ended_at = ?, is_unsent = 1, runs_until = null where job_id = ?",
        (ending_text(ending), microseconds(now), job_id),
    )


def close(
    db: sqlite3.Connection, job_id: str, closed_as: ClosedAs, epoch: int | None, now: datetime
) -> CloseAnswer:
    """Win the run marker for good."""
    entry = entry_in(db, job_id)
    if entry is None:
        _insert_tombstone(db, job_id, closed_as, now)
        _end_closed(db, job_id, closed_as, 0, now)
        return "closed"
    if epoch is not None and entry.epoch != epoch:
        return "stale"
    if entry.closed_as is not None:
        return "closed" if entry.closed_as == closed_as else "ended"
    if entry.ending is not None:
        return "ended"
    if _is_marked(entry, now) or (entry.starts > 0 and closed_as != "cancelled"):
        return "started"
    db.execute(
        "update job set state = 'closed', closed_as = ?, ended_at = ?, runner = null, runs_until = null,"
        " owner = iif(? = 'taken_over', 'supabase', owner) where job_id = ?",
        (closed_as, microseconds(now), closed_as, job_id),
    )
    _end_closed(db, job_id, closed_as, entry.starts, now)
    return "closed"


def _end_closed(db: sqlite3.Connection, job_id: str, closed_as: ClosedAs, starts: int, now: datetime) -> None:
    if closed_as in ("cancelled", "abandoned"):
        end(db, job_id, Ending("cancelled", attempts=starts), now)


def _insert_tombstone(db: sqlite3.Connection, job_id: str, closed_as: ClosedAs, now: datetime) -> None:
    at = microseconds(now)
    db.execute(
        "insert into job (job_id, owner, epoch, state, accepted_at, closed_as, ended_at)"
        " values (?, 'legacy', 0, 'closed', ?, ?, ?)",
        (job_id, at, closed_as, at),
    )


def _is_marked(entry: Entry, now: datetime) -> bool:
    return entry.runs_until is not None and entry.runs_until > now
