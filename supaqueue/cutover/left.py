"""What each of the two systems still holds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self

from supaqueue.contract import CountJobs, CountMirrors
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.transport import Transport


@dataclass(frozen=True, slots=True)
class LegacyLeft:
    """What legacy holds. None: its broker cannot count that.

    Attributes:
        pending: messages that wait and are due.
        retrying: of these and the scheduled ones, what had an attempt; `unstamped`: what has no stamp.
        leased: messages that a worker has.
        unpublished: accepted, and perhaps not in the broker.
        published: accepted and stamped, and without an end.
        running: run markers that are held.
        parked: inert copies of what Supabase owns; they keep nobody from switching legacy off.
        unsent_endings: ends that Supabase was not told.
        unstamped_runs: messages without a stamp that ever ran, and when the last one did.
    """

    pending: int
    scheduled: int | None
    retrying: int | None
    leased: int | None
    unstamped: int | None
    unpublished: int
    published: int
    running: int
    parked: int
    unsent_endings: int
    unstamped_runs: int
    last_unstamped_at: datetime | None

    def or_more(self, other: Self) -> Self:
        """Return the larger of both, field by field: one count misses what moves meanwhile."""
        return type(self)(
            *(_larger(getattr(self, one.name), getattr(other, one.name)) for one in fields(self))
        )


@dataclass(frozen=True, slots=True)
class SupabaseLeft:
    """What Supabase holds, in tasks and in jobs.

    Attributes:
        pending: tasks that wait; `blocked`, `claimed` and `processing` ones are not among them.
        held: of those, the ones that were started here while their type goes back.
        due: inert copies that legacy was not told of.
        end_due: ends that legacy was not told of.
        release_due: jobs that are legacy's, and not there yet.
        takeover_due: jobs that are to come from legacy, and have not.
        legacy_open: jobs of legacy whose end was not told here.
    """

    pending: int
    blocked: int
    claimed: int
    processing: int
    held: int
    due: int
    end_due: int
    release_due: int
    takeover_due: int
    legacy_open: int


def left_in_legacy(legacy: LegacyQueue) -> LegacyLeft:
    """Count what legacy holds.

    Raises:
        LegacyUnavailable: it gave no answer.
    """
    broker, index = legacy.broker.count(), legacy.index.count()
    return LegacyLeft(
        pending=broker.pending,
        scheduled=broker.scheduled,
        retrying=broker.retrying,
        leased=broker.leased,
        unstamped=broker.unstamped,
        unpublished=index.unpublished,
        published=index.published,
        running=index.marked,
        parked=index.parked,
        unsent_endings=index.unsent_endings,
        unstamped_runs=index.unstamped_runs,
        last_unstamped_at=index.last_unstamped_at,
    )


def left_in_supabase(transport: Transport) -> SupabaseLeft:
    """Count what Supabase holds.

    Raises:
        CallError: it gave no answer.
    """
    mirrors = transport.send(CountMirrors())
    stats = transport.send(CountJobs())
    owed = {one.mirror_state: one.jobs for one in mirrors.owed}
    tasks = dict.fromkeys(("pending", "blocked", "claimed", "processing"), 0)
    for count in stats.counts:
        if count.status in tasks:
            tasks[count.status] += count.tasks
    return SupabaseLeft(
        **tasks,
        held=mirrors.held,
        due=owed.get("due", 0),
        end_due=owed.get("end_due", 0),
        release_due=owed.get("release_due", 0),
        takeover_due=owed.get("takeover_due", 0),
        legacy_open=mirrors.legacy_open,
    )


def _larger(one: Any, other: Any) -> Any:
    return max((value for value in (one, other) if value is not None), default=None)
