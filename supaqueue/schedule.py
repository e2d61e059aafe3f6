"""A recurring job as the database has it, and which of its ticks are to be run now."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

from supaqueue.cron import Cron

Missed: TypeAlias = Literal["skip", "last", "all"]
"""Which ticks that nobody was there for are made up for: none, the last one, or all up to a limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A recurring job.

    Attributes:
        job: what is enqueued at each tick: `queue`, `task_type`, options; `payload` only if it was asked for.
        missed_limit: the most ticks that `missed="all"` makes up for.
        version: another one after each change.
        ticked_through: all ticks up to here have been decided.
    """

    schedule_name: str
    cron: str
    time_zone: str
    job: Mapping[str, Any] = field(repr=False)
    missed: Missed
    missed_limit: int
    is_enabled: bool
    version: int
    ticked_through: datetime
    created_at: datetime
    updated_at: datetime

    @property
    def clock(self) -> Cron:
        """When it ticks.

        Raises:
            InvalidInput: this version, or this machine's time zone database, cannot read it.
        """
        return Cron(self.cron, self.time_zone)


def due_ticks(schedule: Schedule, now: datetime, grace_seconds: float) -> tuple[datetime, ...] | None:
    """Return the ticks that get a job now, in order; None if nothing has ticked since the last decision.

    Those no older than the grace are in time; for older ones the schedule says what becomes of missed ticks.

    Raises:
        InvalidInput: see `Schedule.clock`.
    """
    grace = timedelta(seconds=grace_seconds)
    most = schedule.missed_limit + int(grace / timedelta(minutes=1)) + 1
    ticks = schedule.clock.latest(schedule.ticked_through, now, most)
    missed = tuple(tick for tick in ticks if now - tick > grace)
    return _to_run(schedule, missed, ticks[len(missed) :]) if ticks else None


def tick_of(job_id: str) -> datetime:
    """Return the tick that a recurring job is for, in UTC; of any other job, when its id was made."""
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=uuid.UUID(job_id).int >> 80)


def _to_run(
    schedule: Schedule, missed: tuple[datetime, ...], in_time: tuple[datetime, ...]
) -> tuple[datetime, ...]:
    if schedule.missed == "all":
        return missed[-schedule.missed_limit :] + in_time
    if schedule.missed == "last":
        return in_time or missed[-1:]
    return in_time
