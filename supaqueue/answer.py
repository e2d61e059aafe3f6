"""What calls about jobs are answered, per job."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class EnqueueAnswer:
    """`created`; `exists`: stored before, alike; `conflict`: the id is taken by another job, or abandoned.

    A job that found its unique key held: `deduplicated`, nothing else happened; `replaced`, the waiting job
    that holds the key does this one's work now; `pushed_back`, the same, at this one's time. The id of that
    job is `deduped_into`. To read this job's id is to read that one.

    `wait_seconds`: its queue holds more than it should, and whoever enqueues is to wait; the client does.

    `owner` is the system that runs the job; only a cutover knows another than `supabase`, or is answered
    `flag_changed`: nothing was stored, since the flag does not give the job to Supabase any more. `epoch`
    counts its hand-overs.
    """

    job_id: str
    answer: Literal[
        "created", "exists", "conflict", "flag_changed", "deduplicated", "replaced", "pushed_back"
    ]
    owner: Literal["supabase", "legacy"] | None = "supabase"
    epoch: int = field(default=0, compare=False)
    deduped_into: str | None = None
    wait_seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class CancelAnswer:
    """`cancelled`; `requested`: still running; `finished`: completed or failed before; `unknown`.

    `not_owner`: another system runs it, and only that one can cancel it. `deduplicated`: there is nothing of
    it to cancel, another job holds its unique key.
    """

    job_id: str
    answer: Literal["cancelled", "requested", "finished", "unknown", "not_owner", "deduplicated"]


@dataclass(frozen=True, slots=True)
class AbandonAnswer:
    """`abandoned`: it was not here and cannot come; `cancelled`: it was waiting; `started`: it goes on."""

    job_id: str
    answer: Literal["abandoned", "cancelled", "started"]


@dataclass(frozen=True, slots=True)
class ReplayAnswer:
    """`replayed`, now or before; `not_failed`: not under that lease; `unknown`: there is no such task.

    `key_held`: its job is unique until it is finished, and another one holds its key by now. `stopping`: its
    failure stopped its job, of which other tasks have not ended yet; again soon.
    """

    job_id: str
    task_number: int
    lease_token: int
    answer: Literal["replayed", "not_failed", "key_held", "stopping", "unknown"]


@dataclass(frozen=True, slots=True)
class DropAnswer:
    """`dropped`, now or before; `unfinished`: another task of its job goes on; else as for a replay."""

    job_id: str
    task_number: int
    lease_token: int
    answer: Literal["dropped", "not_failed", "unfinished", "unknown"]


@dataclass(frozen=True, slots=True)
class QueuePause:
    """A queue, and whether it is paused; `paused_until` is None if only a resume ends the pause."""

    queue: str
    paused: bool
    paused_until: datetime | None = None
    paused_by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class WaitingLimit:
    """A queue, and how many jobs may wait in it: any number if `waiting_limit` is None.

    `on_full`: what is over it is refused (`refuse`), or accepted and its producer slowed down (`slow`).
    """

    queue: str
    waiting_limit: int | None = None
    on_full: Literal["refuse", "slow"] | None = None
    changed_by: str | None = None


@dataclass(frozen=True, slots=True)
class BlockedKey:
    """An order key that a failed task blocks: until that is replayed or dropped, or the key is released.

    `waiting`: how many tasks wait behind it, counted up to 1,000. The lease is the one under which it failed.
    """

    queue: str
    order_key: str
    job_id: str
    task_number: int
    lease_token: int
    task_type: str
    failed_at: datetime
    error_type: str | None
    waiting: int


@dataclass(frozen=True, slots=True)
class KeyRelease:
    """`released`: the key goes on past `job_id`, a dead letter; `not_blocked`: nothing blocks it."""

    queue: str
    order_key: str
    answer: Literal["released", "not_blocked"]
    job_id: str | None = None
