"""How an entry lies in SQLite: times as whole microseconds, what is JSON as canonical text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from supaqueue.backoff import Backoff
from supaqueue.contract import Json, NewJob
from supaqueue.cutover.legacy.entry import BrokenGlass, Ending, Entry

SCHEMA = """
create table if not exists job (
    job_id text not null unique,
    content text,
    owner text not null,
    epoch integer not null,
    state text not null,
    accepted_at integer not null,
    due_at integer,
    native_id text,
    runner text,
    runs_until integer,
    starts integer not null default 0,
    cancel_requested integer not null default 0,
    closed_as text,
    ending text,
    ended_at integer,
    is_unsent integer not null default 0,
    broken_glass text
);
create index if not exists job_by_time on job (accepted_at, job_id);
create index if not exists job_unended on job (state) where ended_at is null;
create index if not exists job_marked on job (runs_until) where runs_until is not null;
create index if not exists job_unsent on job (ended_at) where is_unsent = 1;
create index if not exists job_sent on job (ended_at) where is_unsent = 0 and ended_at is not null;
create table if not exists reserved (
    job_id text primary key,
    reserved_at integer not null
);
create index if not exists reserved_by_time on reserved (reserved_at);
create table if not exists unstamped (
    only_row integer primary key check (only_row = 1),
    runs integer not null,
    last_at integer not null
);
create table if not exists first_failure (
    number integer primary key,
    job_id text not null unique,
    epoch integer not null,
    is_unsent integer not null default 1
);
create index if not exists first_failure_unsent on first_failure (number) where is_unsent = 1;
create table if not exists noted (job_id text primary key, at integer not null) without rowid;
create index if not exists noted_by_time on noted (at)
"""
COLUMNS = (
    "job_id, content, owner, epoch, state, accepted_at, due_at, native_id, runner, runs_until, starts,"
    " cancel_requested, closed_as, ending, ended_at, broken_glass"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SETTERS = tuple(vars(NewJob)[name].__set__ for name in NewJob.__dataclass_fields__)


def microseconds(moment: datetime) -> int:
    """Return a time as it is stored."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(stored: int | None) -> datetime | None:
    """Return a stored time."""
    return None if stored is None else moment_of(stored)


def moment_of(stored: int) -> datetime:
    """Return a time that is stored for sure."""
    return _EPOCH + timedelta(microseconds=stored)


def canonical(value: Json) -> str:
    """Return JSON text that is the same for equal values."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def content_of(job: NewJob) -> str:
    """Return a job as text; two jobs of one id are alike if these are."""
    return canonical({**job.row(), "payload": job.payload, "payload_bytes": job.payload_bytes})


def ending_text(ending: Ending) -> str:
    """Return an ending without its time as text."""
    return canonical(ending.row())


def with_repeat(stored: str, repeat: Ending) -> str:
    """Return an ending's text with what a second run came to; as it was if that is there already."""
    ended = json.loads(stored)
    return canonical({"repeat": repeat.row()} | ended)


def broken_text(broken: BrokenGlass, now: datetime) -> str:
    """Return who let a job run, why, and when, as text."""
    return canonical({"by": broken.by, "reason": broken.reason, "at": microseconds(now)})


def entry_of(row: tuple[Any, ...]) -> Entry:
    """Return the entry that lies in a row of COLUMNS."""
    (job_id, content, owner, epoch, state, accepted_at, due_at, native_id, runner, runs_until) = row[:10]
    (starts, cancel_requested, closed_as, ending, ended_at, broken_glass) = row[10:]
    ended = None if ending is None else json.loads(ending)
    repeat = None if ended is None else ended.pop("repeat", None)
    return Entry(
        job_id,
        None if content is None else _job_of(json.loads(content)),
        owner,
        epoch,
        state,
        _EPOCH + timedelta(microseconds=accepted_at),
        moment(due_at),
        native_id,
        runner,
        moment(runs_until),
        starts,
        bool(cancel_requested),
        closed_as,
        None if ended is None else Ending(**ended, ended_at=moment(ended_at)),
        None if broken_glass is None else _broken_of(json.loads(broken_glass)),
        None if repeat is None else Ending(**repeat),
    )


def _broken_of(stored: Mapping[str, Any]) -> BrokenGlass:
    return BrokenGlass(stored["by"], stored["reason"], moment(stored["at"]))


def _job_of(stored: Mapping[str, Any]) -> NewJob:
    # It was checked when it was stored. To check a million of them again takes longer than to read them.
    job = object.__new__(NewJob)
    get = stored.get
    run_at, deadline_at = get("run_at"), get("deadline_at")
    values = (
        stored["job_id"],
        stored["queue"],
        stored["task_type"],
        stored["payload"],
        stored["payload_bytes"],
        run_at and datetime.fromisoformat(run_at),
        get("delay_seconds"),
        get("max_attempts"),
        _backoff_of(stored),
        get("timeout_seconds"),
        deadline_at and datetime.fromisoformat(deadline_at),
        get("deadline_seconds"),
        tuple(stored["tags"]) if "tags" in stored else (),
        get("tenant"),
        None,  # no job that legacy may own has a unique key
        get("priority", 0),
        None,  # nor has one an order key
        "block",
        (),  # nor several tasks
        None,
        None,
        False,
    )
    for put, value in zip(_SETTERS, values, strict=True):
        put(job, value)
    return job


def _backoff_of(stored: Mapping[str, Any]) -> Backoff | None:
    if "retry_delay_seconds" not in stored:
        return None
    return Backoff(
        stored["retry_delay_seconds"],
        stored["retry_factor"],
        stored["retry_max_delay_seconds"],
        stored["retry_jitter"],
    )
