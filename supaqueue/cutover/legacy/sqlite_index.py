"""An index in one SQLite file: the folder's."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import repeat
from pathlib import Path
from typing import Any, Literal

from supaqueue.contract import NewJob
from supaqueue.cutover.legacy import sqlite_first_failures as first_failures
from supaqueue.cutover.legacy import sqlite_moves as moves
from supaqueue.cutover.legacy.entry import BrokenGlass, ClosedAs, Ending, Entry, Owner
from supaqueue.cutover.legacy.index import (
    NOTES_KEPT,
    Accepted,
    AdoptAnswer,
    CloseAnswer,
    FinishAnswer,
    IndexCounts,
    ReleaseAnswer,
    StartAnswer,
    UnstampedRun,
    UnstampedStart,
)
from supaqueue.cutover.legacy.sqlite_entry import (
    COLUMNS,
    SCHEMA,
    content_of,
    entry_of,
    microseconds,
    moment,
    moment_of,
)
from supaqueue.cutover.legacy.sqlite_file import SqliteFile
from supaqueue.cutover.stamp import Stamp


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SqliteIndex:
    """See `Index`. SQLite has one writer at a time, and each call is one transaction of such a writer.

    Args:
        path: of the file, made at first use; its folder must exist, on a disk of this machine: SQLite's
            write-ahead log does not work over a network.
        clock: gives the time, aware.
        notes_kept: how long it is known that a message without a stamp runs or ran; longer than any run.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], datetime] = _utc_now,
        notes_kept: timedelta = NOTES_KEPT,
    ) -> None:
        self._file = SqliteFile(path, SCHEMA)
        self._clock = clock
        self._notes_kept = notes_kept

    def accept(self, jobs: Sequence[NewJob], *, is_settled: bool = False) -> list[Accepted]:
        """Store jobs that legacy owns; see `Index`."""
        job_ids = [job.job_id for job in jobs]
        with self._file.transaction("accept") as db:
            known = moves.rows_of(db, job_ids)
            reserved = set() if is_settled else moves.reserved_in(db, job_ids)
            now = self._next_moment(db)
            return [self._accept(db, job, known, reserved, now) for job in jobs]

    def _accept(
        self,
        db: sqlite3.Connection,
        job: NewJob,
        known: dict[str, tuple[Any, ...]],
        reserved: set[str],
        now: datetime,
    ) -> Accepted:
        if job.job_id in known:
            entry = entry_of(known[job.job_id])
            is_as_given = entry.owner == "legacy" and entry.epoch == 0
            is_other = is_as_given and known[job.job_id][1] != content_of(job)
            if is_other or entry.closed_as == "abandoned":
                return Accepted("conflict", False, None, entry.owner, entry.epoch)
            is_due = is_as_given and entry.state == "intent" and entry.ending is None
            return Accepted("exists", is_due, entry.due_at, entry.owner, entry.epoch)
        if job.job_id in reserved:
            return Accepted("reserved", False)
        due_at = job.run_at
        if job.delay_seconds is not None:
            due_at = now + timedelta(seconds=job.delay_seconds)
        known[job.job_id] = moves.insert(db, job, now, owner="legacy", epoch=0, state="intent", due_at=due_at)
        return Accepted("created", True, due_at)

    def reserve(self, job_ids: Sequence[str]) -> list[Owner]:
        """Let ids be accepted only as settled; see `Index`."""
        with self._file.transaction("reserve") as db:
            return moves.reserve(db, job_ids, self._clock())

    def published(self, messages: Sequence[tuple[Stamp, str]]) -> None:
        """Note native ids; see `Index`."""
        with self._file.transaction("published") as db:
            db.executemany(
                "update job set state = 'published', native_id = ?"
                " where job_id = ? and epoch = ? and state = 'intent'",
                [(native_id, stamp.job_id, stamp.epoch) for stamp, native_id in messages],
            )

    def park(self, jobs: Sequence[NewJob]) -> list[bool]:
        """Store inert copies; see `Index`."""
        with self._file.transaction("park") as db:
            known = set(moves.rows_of(db, (job.job_id for job in jobs)))
            now = self._next_moment(db)
            stored = []
            for job in jobs:
                stored.append(job.job_id not in known)
                if stored[-1]:
                    known.add(job.job_id)
                    moves.insert(db, job, now, owner="supabase", epoch=0, state="parked", due_at=job.run_at)
            return stored

    def release(self, stamps: Sequence[Stamp], jobs: Sequence[NewJob]) -> list[ReleaseAnswer]:
        """Make handed-over jobs legacy's; see `Index`."""
        with self._file.transaction("release") as db:
            now = self._next_moment(db)
            return [moves.release(db, stamp, job, now) for stamp, job in zip(stamps, jobs, strict=True)]

    def unpublished(self, stamps: Sequence[Stamp]) -> list[bool]:
        """Say which are intents under that epoch."""
        entries = self.get([stamp.job_id for stamp in stamps])
        return [
            entry is not None and (entry.epoch, entry.state, entry.ending) == (stamp.epoch, "intent", None)
            for stamp, entry in zip(stamps, entries, strict=True)
        ]

    def settle(self, endings: Sequence[tuple[NewJob, Ending]]) -> None:
        """Close parked copies; see `Index`."""
        with self._file.transaction("settle") as db:
            now = self._next_moment(db)
            for job, ending in endings:
                moves.settle(db, job, ending, now)

    def break_glass(self, job_ids: Sequence[str], broken: BrokenGlass) -> list[Stamp | None]:
        """Let jobs run here that only Supabase could allow; see `Index`."""
        with self._file.transaction("break_glass") as db:
            now = self._clock()
            return [moves.break_glass(db, job_id, broken, now) for job_id in job_ids]

    def start(self, stamp: Stamp, runner: str, seconds: float) -> StartAnswer:
        """Take the run marker; see `Index`."""
        with self._file.transaction("start") as db:
            return moves.start(db, stamp, runner, seconds, self._clock())

    def start_unstamped(self, job_id: str, runner: str, seconds: float) -> UnstampedStart:
        """Start a message without a stamp; see `Index`."""
        with self._file.transaction("start_unstamped") as db:
            now = self._clock()
            if moves.entry_in(db, job_id) is not None:
                return moves.start(db, Stamp(job_id), runner, seconds, now)
            moves.note(db, job_id, now, now - self._notes_kept)
            return "noted"

    def adopt(self, messages: Sequence[tuple[NewJob, str]]) -> list[AdoptAnswer]:
        """Make messages without a stamp entries; see `Index`."""
        with self._file.transaction("adopt") as db:
            now = self._next_moment(db)
            return [moves.adopt(db, job, native_id, now) for job, native_id in messages]

    def renew(self, stamp: Stamp, runner: str, seconds: float) -> Literal["held", "cancel", "lost"]:
        """Hold the marker for longer; see `Index`."""
        with self._file.transaction("renew") as db:
            entry = moves.entry_in(db, stamp.job_id)
            if entry is None or not moves.is_held_by(entry, stamp, runner):
                return "lost"
            until = moves.later(self._clock(), seconds)
            db.execute("update job set runs_until = ? where job_id = ?", (until, stamp.job_id))
            return "cancel" if entry.cancel_requested else "held"

    def free(self, stamp: Stamp, runner: str) -> None:
        """Give the marker back."""
        with self._file.transaction("free") as db:
            moves.free(db, stamp, runner)

    def free_failed(self, stamp: Stamp, runner: str) -> None:
        """Give the marker back, and keep that an attempt failed; see `Index`."""
        with self._file.transaction("free_failed") as db:
            if moves.free(db, stamp, runner):
                first_failures.note(db, stamp)

    def unsent_first_failures(self, limit: int) -> list[Stamp]:
        """Return of which failed attempts mirrors were not told, oldest first."""
        with self._file.reading("unsent_first_failures") as db:
            return first_failures.unsent(db, limit)

    def first_failures_sent(self, stamps: Sequence[Stamp]) -> None:
        """Note that mirrors were told."""
        with self._file.transaction("first_failures_sent") as db:
            first_failures.sent(db, stamps)

    def finish(self, stamp: Stamp, runner: str, ending: Ending) -> FinishAnswer:
        """Record how it ended; see `Index`."""
        with self._file.transaction("finish") as db:
            return moves.finish(db, stamp, runner, ending, self._clock())

    def record_repeat(self, stamp: Stamp, ending: Ending) -> None:
        """Note what a second run came to; see `Index`."""
        with self._file.transaction("record_repeat") as db:
            moves.record_repeat(db, stamp, ending)

    def request_cancel(self, job_ids: Sequence[str]) -> None:
        """Let the next `renew` answer `cancel`."""
        with self._file.transaction("request_cancel") as db:
            db.execute(
                "update job set cancel_requested = 1 where ended_at is null"
                " and job_id in (select value from json_each(?))",
                [json.dumps(list(job_ids))],
            )

    def close(
        self, job_ids: Sequence[str], closed_as: ClosedAs, epochs: Sequence[int] | None = None
    ) -> list[CloseAnswer]:
        """Win the run marker for good; see `Index`."""
        with self._file.transaction("close") as db:
            now = self._next_moment(db)
            return [
                moves.close(db, job_id, closed_as, epoch, now)
                for job_id, epoch in zip(job_ids, epochs or repeat(None), strict=False)
            ]

    def get(self, job_ids: Sequence[str]) -> list[Entry | None]:
        """Return entries by id."""
        with self._file.reading("get") as db:
            rows = moves.rows_of(db, job_ids)
        return [entry_of(rows[job_id]) if job_id in rows else None for job_id in job_ids]

    def list_by_time(
        self, since: datetime, until: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> list[Entry]:
        """Return entries in the order of (accepted_at, job_id); see `Index`."""
        place = (microseconds(after[0]), after[1]) if after else (microseconds(since) - 1, "~")
        with self._file.reading("list_by_time") as db:
            rows = db.execute(
                f"select {COLUMNS} from job where (accepted_at, job_id) > (?, ?) and accepted_at >= ?"  # noqa: S608
                " and accepted_at < ? order by accepted_at, job_id limit ?",
                (*place, microseconds(since), microseconds(until), limit),
            ).fetchall()
        return [entry_of(row) for row in rows]

    def list_unstamped_runs(
        self, since: datetime, until: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> list[UnstampedRun]:
        """Return notes in the order of (began_at, job_id); see `Index`."""
        place = (microseconds(after[0]), after[1]) if after else (microseconds(since) - 1, "~")
        with self._file.reading("list_unstamped_runs") as db:
            rows = db.execute(
                "select job_id, at from noted where (at, job_id) > (?, ?) and at >= ? and at < ?"
                " order by at, job_id limit ?",
                (*place, microseconds(since), microseconds(until), limit),
            ).fetchall()
        return [UnstampedRun(job_id, moment_of(at)) for job_id, at in rows]

    def unsent_endings(self, limit: int) -> list[Entry]:
        """Return entries whose owner's mirror was not told yet, oldest first."""
        with self._file.reading("unsent_endings") as db:
            rows = db.execute(
                f"select {COLUMNS} from job where is_unsent = 1 order by ended_at limit ?",  # noqa: S608
                [limit],
            ).fetchall()
        return [entry_of(row) for row in rows]

    def endings_sent(self, job_ids: Sequence[str]) -> None:
        """Note that mirrors were told."""
        with self._file.transaction("endings_sent") as db:
            db.execute(
                "update job set is_unsent = 0 where job_id in (select value from json_each(?))",
                [json.dumps(list(job_ids))],
            )

    def count(self) -> IndexCounts:
        """Count entries."""
        with self._file.reading("count") as db:
            states = dict(
                db.execute("select state, count(*) from job where ended_at is null group by state").fetchall()
            )
            (marked,) = db.execute(
                "select count(*) from job where runs_until > ?", [microseconds(self._clock())]
            ).fetchone()
            (unsent,) = db.execute("select count(*) from job where is_unsent = 1").fetchone()
            runs, last_at = db.execute("select runs, last_at from unstamped").fetchone() or (0, None)
        return IndexCounts(
            unpublished=states.get("intent", 0),
            published=states.get("published", 0),
            parked=states.get("parked", 0),
            marked=marked,
            unsent_endings=unsent,
            unstamped_runs=runs,
            last_unstamped_at=moment(last_at),
        )

    def forget(self, before: datetime, limit: int) -> int:
        """Remove entries that ended or were closed, and were told, before a time; see `Index`."""
        at = microseconds(before)
        with self._file.transaction("forget") as db:
            moves.forget_notes(db, at, limit)
            gone = moves.forget(db, at, limit)
            first_failures.forget(db, gone)
            return len(gone) + moves.forget_reserved(db, before, limit - len(gone))

    def disconnect(self) -> None:
        """Close the file; the next call opens it again."""
        self._file.close()

    def _next_moment(self, db: sqlite3.Connection) -> datetime:
        # Later than every entry's: a list that has come to a place misses nothing before it, even if the
        # machine's clock is set back.
        (last,) = db.execute("select max(accepted_at) from job").fetchone()
        after_last = moment(None if last is None else last + 1)
        now = self._clock()
        return now if after_last is None else max(now, after_last)
