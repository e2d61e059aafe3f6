"""What both systems recorded of jobs, each by itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from supaqueue.contract import Json
from supaqueue.cutover.legacy.entry import Entry, Owner
from supaqueue.cutover.legacy.queue import LegacyQueue

PAGE = 500
ENDED = ("completed", "failed", "cancelled")

QUERY = """
select j.job_id::text, j.owner, j.epoch, j.status, t.result, (
    select count(*) from job_task_attempts a
    where a.job_id = j.job_id and a.task_number = t.task_number and a.started_at is not null)
from jobs j left join job_tasks t on t.job_id = j.job_id and t.purpose = 'run' where j.job_id = any(%s)
"""


@dataclass(frozen=True, slots=True)
class Record:
    """One job in both systems' records.

    Attributes:
        outcomes: the systems that recorded an end of their own; a mirror's note of the other's is none.
        starts: the systems that recorded that they began it.
        result: the owner's.
        epoch: how often it was handed over, as Supabase has it.
        mirrored: whether the system that does not own it has a copy.
    """

    outcomes: tuple[Owner, ...] = ()
    starts: tuple[Owner, ...] = ()
    is_completed: bool = False
    result: Json = None
    owner: Owner = "legacy"
    epoch: int = 0
    is_mirrored: bool = False

    @property
    def has_ended(self) -> bool:
        """Whether an end is recorded anywhere."""
        return bool(self.outcomes)


@dataclass(frozen=True, slots=True)
class Records:
    """By job id; one that no system knows has the empty record."""

    jobs: dict[str, Record] = field(default_factory=dict)

    def of(self, job_id: str) -> Record:
        """Return a job's."""
        return self.jobs.get(job_id, Record())


def read_records(database: psycopg.Connection[Any], legacy: LegacyQueue, job_ids: Collection[str]) -> Records:
    """Read what both systems have, page by page."""
    found: dict[str, Record] = {}
    for page in _pages(sorted(job_ids)):
        rows = {row[0]: row for row in database.execute(QUERY.encode(), [page])}
        for job_id, entry in zip(page, legacy.get(page), strict=True):
            found[job_id] = _record(rows.get(job_id), entry)
    return Records(found)


def _pages(job_ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(job_ids), PAGE):
        yield list(job_ids[start : start + PAGE])


def _record(row: tuple[Any, ...] | None, entry: Entry | None) -> Record:
    here = row is not None and row[1] == "supabase" and row[3] in ENDED
    there = entry is not None and _ended_there(entry)
    owner: Owner = "supabase" if row is not None and row[1] == "supabase" else "legacy"
    ended: list[Owner] = [*(["supabase"] if here else []), *(["legacy"] if there else [])]  # type: ignore[list-item]
    started: list[Owner] = []
    if row is not None and row[5] > 0:
        started.append("supabase")
    if entry is not None and entry.starts > 0:
        started.append("legacy")
    return Record(
        outcomes=tuple(ended),
        starts=tuple(started),
        is_completed=_is_completed(owner, row, entry),
        result=_result(owner, row, entry),
        owner=owner,
        epoch=row[2] if row is not None else 0,
        is_mirrored=entry is not None if owner == "supabase" else row is not None,
    )


def _ended_there(entry: Entry) -> bool:
    # What was closed for good there has ended elsewhere, whatever is noted of it.
    return entry.owner == "legacy" and entry.ending is not None and entry.closed_as is None


def _is_completed(owner: Owner, row: tuple[Any, ...] | None, entry: Entry | None) -> bool:
    if owner == "supabase":
        return row is not None and row[3] == "completed"
    return entry is not None and entry.ending is not None and entry.ending.status == "completed"


def _result(owner: Owner, row: tuple[Any, ...] | None, entry: Entry | None) -> Json:
    if owner == "supabase":
        return row[4] if row is not None else None
    return entry.ending.result if entry is not None and entry.ending is not None else None
