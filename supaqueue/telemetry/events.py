"""What happened, as frozen facts: one class per event, with a stable `name`.

No event carries a payload, a result or an error's message, since a message may quote a payload; errors are
named by type. Times are seconds. What a worker does is counted per task: a job of three tasks starts three
times.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias, get_args

from supaqueue.errors import Committed


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent:
    """What all events about one task in one worker have in common."""

    job_id: str
    task_number: int
    queue: str
    task_type: str
    worker_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnqueued:
    """The database answered an enqueue: stored, already there, its id used otherwise, or its key held."""

    name: ClassVar[str] = "job_enqueued"
    job_id: str
    queue: str
    task_type: str
    answer: Literal["created", "exists", "conflict", "deduplicated", "replaced", "pushed_back"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStarted(TaskEvent):
    """A worker entered the handler; `waited_seconds` since the task became ready, None if unknown."""

    name: ClassVar[str] = "job_started"
    attempt: int
    waited_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRetried(TaskEvent):
    """An attempt ended and another one will follow in `retry_in_seconds`."""

    name: ClassVar[str] = "job_retried"
    attempt: int
    ran_seconds: float
    retry_in_seconds: float
    error_type: str | None
    exception: BaseException | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSucceeded(TaskEvent):
    """The task is completed, and the database has recorded it."""

    name: ClassVar[str] = "job_succeeded"
    attempt: int
    ran_seconds: float
    waited_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailed(TaskEvent):
    """The task is failed for good. `exception` is for hooks that strip it; it is never shown."""

    name: ClassVar[str] = "job_failed"
    attempt: int
    ran_seconds: float
    error_type: str | None
    exception: BaseException | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueUnavailable:
    """A call got no usable answer within its budget; `jobs` is how many an enqueue was about."""

    name: ClassVar[str] = "queue_unavailable"
    call: str
    committed: Committed
    error_type: str
    http_status: int | None
    jobs: int = 1

    @property
    def jobs_not_enqueued(self) -> int:
        """The jobs whose enqueue got no answer; 0 for any other call."""
        return self.jobs if self.call.startswith("enqueue") else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseLost(TaskEvent):
    """The database answered `lost`: another worker may have the task, and this one changes nothing."""

    name: ClassVar[str] = "lease_lost"
    where: Literal["heartbeat", "finish", "read_results"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDepth:
    """How many tasks a queue holds at this moment, by status."""

    name: ClassVar[str] = "queue_depth"
    queue: str
    pending: int
    processing: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStalled:
    """A worker's event loop has not turned for `stalled_seconds`; names the job that blocks it, if known."""

    name: ClassVar[str] = "worker_stalled"
    worker_id: str
    job_id: str | None
    task_type: str | None
    stalled_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorFailed:
    """During a cutover: a system did not take copies of `jobs` in time; a relay brings them later."""

    name: ClassVar[str] = "mirror_failed"
    system: Literal["supabase", "legacy"]
    jobs: int
    error_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFallback:
    """During a cutover: the job was not where its bucket pointed, and was found in the other system."""

    name: ClassVar[str] = "read_fallback"
    job_id: str
    asked_first: Literal["supabase", "legacy"]
    operation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityMismatch:
    """During a cutover: `jobs` of a type differ between both systems, and did not at the last look.

    `difference` is their class in the parity report; `task_type` is None if only their ids are known.
    """

    name: ClassVar[str] = "parity_mismatch"
    task_type: str | None
    difference: str
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutChanged:
    """During a cutover: a flag was changed, by whichever way; `supaqueue rollout watch` tells of it.

    `kind` is `rolled_back`, `halted`, `cleared`, `raised`, `lowered` or `changed`; the percents are what
    Supabase got and gets of new jobs, 0 while disabled. `reason` is what who changed it gave as one.
    """

    name: ClassVar[str] = "rollout_changed"
    flag_name: str
    kind: str
    version: int
    percent_before: float
    percent: float
    changed_by: str
    reason: str | None
    evidence: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookFailed:
    """During a cutover: a look of `supaqueue rollout watch` failed, the so many-th in a row."""

    name: ClassVar[str] = "look_failed"
    error_type: str
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LooksFailing:
    """During a cutover: the looks of a watch have failed for so many seconds, all of them; told once."""

    name: ClassVar[str] = "looks_failing"
    error_type: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LooksRecovered:
    """During a cutover: the looks of a watch go well again, so many seconds after the first that failed."""

    name: ClassVar[str] = "looks_recovered"
    seconds: float


Event: TypeAlias = (
    JobEnqueued
    | JobStarted
    | JobRetried
    | JobSucceeded
    | JobFailed
    | QueueUnavailable
    | LeaseLost
    | QueueDepth
    | WorkerStalled
    | MirrorFailed
    | ReadFallback
    | ParityMismatch
    | RolloutChanged
    | LookFailed
    | LooksFailing
    | LooksRecovered
)

EVENT_TYPES: tuple[type[Event], ...] = get_args(Event)
