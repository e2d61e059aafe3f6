"""What a gate rests on: counts of jobs by type, owner and minute of enqueue, and what else was seen.

Only jobs that were never handed over count, under the system that has owned them from the start. The minute
is the database's, of the job's row. A cohort is counted twice, each time once and for good: its first
attempts soon after the minute, its final outcomes when its settle window is over. What was not known by then
stays unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from supaqueue.cutover.gate.growing_backlog import Minute
from supaqueue.cutover.legacy.entry import Owner

BIN = 1.02
"""Latencies are kept in bins whose ends are this many times their beginnings: they are known to 1 percent."""


@dataclass(frozen=True, slots=True)
class Side:
    """What one system made of its jobs of one type and minute.

    Attributes:
        jobs: enqueued in that minute; `keys`: distinct tenants among them.
        known: of these jobs, how many had come to what is counted (a first attempt's end, or their own).
        failed: how many of these had failed; `failed_keys`: distinct tenants among those.
    """

    jobs: int = 0
    keys: int = 0
    known: int = 0
    failed: int = 0
    failed_keys: int = 0


@dataclass(frozen=True, slots=True)
class Cohort:
    """Jobs of one type and one minute of enqueue: Supabase's are the canary, legacy's the control."""

    minute: datetime
    canary: Side
    control: Side


@dataclass(frozen=True, slots=True)
class Latencies:
    """How long jobs took from when they were due to their end, of those that started once.

    Attributes:
        bins: jobs by bin; bin `n` holds latencies from `BIN**n` to `BIN**(n + 1)` milliseconds, bin 0 shorter
            ones as well.
    """

    bins: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TypeEvidence:
    """What is known of one task type.

    Attributes:
        first: first attempts, by minute; `final`: final outcomes, by minute. Each cohort once, oldest first.
        canary_latencies, control_latencies: over the whole time.
        backlog: the last minutes of what Supabase owns, the latest last; minutes that nobody looked at are
            missing, and what came before a gap is left out.
        control_oldest_seconds: what nearly all (99 percent) of the control's jobs took that ended in those
            minutes, from when they were due; None if none did.
        canary_dead_letters, control_dead_letters: jobs that failed for good, over the whole time.
    """

    task_type: str
    routes_by_tenant: bool = False
    first: tuple[Cohort, ...] = ()
    final: tuple[Cohort, ...] = ()
    canary_latencies: Latencies = Latencies()
    control_latencies: Latencies = Latencies()
    backlog: tuple[Minute, ...] = ()
    control_oldest_seconds: float | None = None
    canary_dead_letters: int = 0
    control_dead_letters: int = 0


@dataclass(frozen=True, slots=True)
class Probes:
    """Small jobs sent through one queue of one system: one a minute.

    Attributes:
        lost_in_a_row: the latest ones that did not end in time; 0 as soon as one does, or while the queue is
            seen alive otherwise.
        workers: living ones that run probes of the queue; None where that is not known.
    """

    queue: str
    owner: Owner
    sent: int
    lost_in_a_row: int
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class WorkerCalls:
    """Claims and finishes that workers sent in the last minutes, and how many of them failed.

    Attributes:
        seconds: for how long without a break more than a fifth of them have failed; 0.0 if they do not.
    """

    sent: int
    failed: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was seen from `since` until `until`, both the database's time.

    Attributes:
        types: by name.
        probes: by queue and owner; empty where none are sent.
        worker_calls: None if no worker told of any.
        legacy_is_alive: None if nobody could be asked.
        unprobed: queues whose workers run no probes: an older SDK.
    """

    since: datetime
    until: datetime
    types: tuple[TypeEvidence, ...]
    probes: tuple[Probes, ...] = ()
    worker_calls: WorkerCalls | None = None
    legacy_is_alive: bool | None = None
    unprobed: tuple[str, ...] = ()
