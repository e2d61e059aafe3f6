"""What a database holds: the rows of sql/migrations, in dictionaries."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from supaqueue.backoff import Backoff
from supaqueue.job import JobStatus, TaskStatus

Row = dict[str, Any]
"""A row of a call or of an answer, as JSON; its values are trusted once they have been checked."""

LEASED: frozenset[TaskStatus] = frozenset({"claimed", "processing"})
WAITING: frozenset[TaskStatus] = frozenset({"pending", "blocked"})

LONE_LEASES = 2
"""What lost so many is claimed alone."""


@dataclass(slots=True)
class AttemptRow:
    """How one lease of a task ended; the answer to a repeated finish."""

    lease_token: int
    attempt: int | None
    worker_id: str | None
    claimed_at: datetime | None
    started_at: datetime | None
    ended_at: datetime
    outcome: str
    status_after: TaskStatus
    error: Any


@dataclass(slots=True)
class TaskRow:
    """What a worker runs. `position` is drawn at every entry into ready, None while it waits for `run_at`."""

    job_id: str
    task_number: int
    queue: str
    task_type: str
    payload: Any
    payload_bytes: int
    run_at: datetime
    position: int | None
    max_attempts: int
    backoff: Backoff
    timeout: timedelta | None = None
    tenant: str | None = None
    priority: int = 0
    order_key: str | None = None
    key_position: int | None = None
    blocks_key: bool = False
    deadline_at: datetime | None = None
    status: TaskStatus = "pending"
    result: Any = None
    error: Any = None
    parked: bool = False
    attempts: int = 0
    attempts_before_replay: int = 0
    replayed_lease_token: int | None = None
    lost_leases: int = 0
    progress_number: int = 0
    progress_percent: float | None = None
    progress_message: str | None = None
    checkpoint: Any = None
    lease_token: int = 0
    lease_expires_at: datetime | None = None
    claim_request: str | None = None
    worker_id: str | None = None
    claimed_at: datetime | None = None
    started_at: datetime | None = None
    last_heartbeat: datetime | None = None
    finished_at: datetime | None = None
    history: dict[int, AttemptRow] = field(default_factory=dict)
    name: str | None = None
    waits_for: int = 0
    runs_after: list[int] = field(default_factory=list)
    runs_before: list[int] = field(default_factory=list)
    skipped: bool = False

    @property
    def is_leased(self) -> bool:
        """Whether a worker has it."""
        return self.status in LEASED

    @property
    def is_ready(self) -> bool:
        """Whether a claim may lease it."""
        return self.status == "pending" and self.position is not None

    @property
    def has_turn(self) -> bool:
        """Whether it is the one of its order key that runs, is to run next, or blocks it."""
        goes_on = self.status == "pending" or self.is_leased or (self.status == "failed" and self.blocks_key)
        return self.order_key is not None and goes_on

    def is_held(self, lease_token: int, worker_id: str | None) -> bool:
        """Whether this worker (None: any) has it under this lease: what fences every call about it."""
        return (
            self.is_leased
            and self.lease_token == lease_token
            and (worker_id is None or self.worker_id == worker_id)
        )


@dataclass(slots=True)
class JobRow:
    """What a caller asked for. Without `content` it is a tombstone: a late enqueue of its id conflicts.

    With `deduped_into` it is no job but the answer to an enqueue that met a unique key. `has_begun`: once.
    """

    job_id: str
    number: int
    created_at: datetime
    queue: str = ""
    task_type: str = ""
    content: str | None = None
    tags: list[str] = field(default_factory=list)
    status: JobStatus = "pending"
    unique_key: str | None = None
    unique_until: str | None = None
    deduped_into: str | None = None
    deduped_as: str | None = None
    has_begun: bool = False
    tasks: list[TaskRow] = field(default_factory=list)
    finished_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    abandoned_at: datetime | None = None
    on_failure: str | None = None
    stopped: bool = False


@dataclass(slots=True)
class KeyRow:
    """A unique key, held by a job: until `expires_at` if it has that, else as long as the job says."""

    job_id: str
    expires_at: datetime | None


@dataclass(slots=True)
class WorkerRow:
    """A worker, and what it serves."""

    row: Row
    started_at: datetime
    last_seen_at: datetime
    stopped_at: datetime | None = None

    def serves(self, queue: str, task_type: str) -> bool:
        """Whether tasks of this type in this queue are for it."""
        return queue in self.row["queues"] and task_type in self.row["task_types"]

    def was_seen_since(self, moment: datetime) -> bool:
        """Whether it has not stopped and was heard of after `moment`."""
        return self.stopped_at is None and self.last_seen_at > moment


@dataclass(slots=True)
class PauseRow:
    """A queue's pause, by whom and why."""

    until: datetime
    changed_by: str | None
    reason: str | None


@dataclass(slots=True)
class LimitRow:
    """How many jobs may wait in a queue, and what becomes of an enqueue that is over it."""

    waiting_limit: int
    on_full: str
    changed_by: str | None


@dataclass(slots=True)
class WindowRow:
    """How many leases were begun in a window of a limit, and when it ends."""

    ends_at: datetime
    used: int = 0


@dataclass(slots=True)
class Tables:
    """All rows, the moment of the call that is being made, and where chance comes from."""

    now: datetime
    random: Random = field(default_factory=Random)
    jobs: dict[str, JobRow] = field(default_factory=dict)
    keys: dict[tuple[str, str], KeyRow] = field(default_factory=dict)
    claims: dict[str, datetime] = field(default_factory=dict)
    workers: dict[str, WorkerRow] = field(default_factory=dict)
    task_types: dict[str, Row] = field(default_factory=dict)
    pauses: dict[str, PauseRow] = field(default_factory=dict)
    limits: dict[str, LimitRow] = field(default_factory=dict)
    running_limits: dict[tuple[str | None, str | None, bool], Row] = field(default_factory=dict)
    windows: dict[tuple[Any, ...], WindowRow] = field(default_factory=dict)
    changes: dict[str, datetime] = field(default_factory=dict)
    released: dict[str, list[Row]] = field(default_factory=dict)
    turns_ended: dict[tuple[str, str], int] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def next_number(self) -> int:
        """Draw from the sequence of positions."""
        return next(self._numbers)

    def position_at(self, run_at: datetime) -> int | None:
        """Return a new position for a task that is to run now, None for one that is due later."""
        return self.next_number() if run_at <= self.now else None

    def end_turn(self, task: TaskRow) -> None:
        """Note that a task has the turn of its order key no longer, if it has one: keys go in that order."""
        if task.order_key is not None and not task.has_turn:
            self.turns_ended[task.queue, task.order_key] = self.next_number()

    def tasks(self) -> Iterator[TaskRow]:
        """Return every task."""
        return (task for job in self.jobs.values() for task in job.tasks)

    def task(self, row: Row) -> TaskRow | None:
        """Return the task that a row of a call names."""
        job = self.jobs.get(row["job_id"].lower())
        number = row["task_number"]
        return job.tasks[number] if job and number < len(job.tasks) else None


def named(row: Row) -> Row:
    """Return what names a task and a lease of it, as answers write it."""
    return {
        "job_id": row["job_id"].lower(),
        "task_number": row["task_number"],
        "lease_token": row["lease_token"],
    }
