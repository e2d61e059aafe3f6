"""Jobs as readers see them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar

from pydantic import BaseModel, JsonValue, SkipValidation, ValidationError

from supaqueue.errors import PayloadMismatch

JobStatus = Literal["pending", "processing", "completed", "failed", "cancelled", "mirrored"]
TaskStatus = Literal[
    "blocked", "pending", "claimed", "processing", "completed", "failed", "cancelled", "mirrored"
]
ENDED: frozenset[JobStatus] = frozenset({"completed", "failed", "cancelled"})

TELLING_TASKS = 100
"""Last tasks that a job is read with at most; with as many it has no result of its own."""

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one lease of a task ended; `attempt` counts from 1 and is None if the lease cost none."""

    lease_token: int
    attempt: int | None
    worker_id: str | None
    claimed_at: datetime | None
    started_at: datetime | None
    ended_at: datetime
    outcome: str
    status_after: TaskStatus
    error: SkipValidation[JsonValue]


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker runs. `payload`, `checkpoint` and `history` (20 leases at most) are read if asked for.

    `parked`: it failed because its payload does not fit its handler; no attempt was spent on it.

    Of a job of several tasks it has a `name`. `waits_for`: how many of those directly before it have not let
    it go on. `skipped`: it was cancelled because another one ended without having completed. `is_last`: none
    comes after it.
    """

    task_number: int
    task_type: str
    status: TaskStatus
    result: SkipValidation[JsonValue]
    error: SkipValidation[JsonValue]
    attempts: int
    max_attempts: int
    lost_leases: int
    run_at: datetime
    worker_id: str | None
    last_heartbeat: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    timeout_seconds: float | None = None
    deadline_at: datetime | None = None
    parked: bool = False
    progress_percent: float | None = None
    progress_message: str | None = None
    payload: SkipValidation[JsonValue] = None
    checkpoint: SkipValidation[JsonValue] = None
    history: tuple[Attempt, ...] = ()
    name: str | None = None
    waits_for: int = 0
    skipped: bool = False
    is_last: bool = True


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A task that failed. `lease_token` says under which lease: replay and drop ask for it."""

    job_id: str
    task_number: int
    lease_token: int
    queue: str
    task_type: str
    error: SkipValidation[JsonValue]
    parked: bool
    attempts: int
    lost_leases: int
    failed_at: datetime


@dataclass(frozen=True, slots=True)
class OwnerOutcome:
    """How the legacy queue ended a job that it owns. `ended_at` is its own time, else when it was told.

    `error` is `{"type", "message"}`; `attempts` is None where the legacy queue does not count them.
    """

    status: Literal["completed", "failed", "cancelled"]
    ended_at: datetime
    result: SkipValidation[JsonValue] = None
    error: SkipValidation[JsonValue] = None
    attempts: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """What a caller asked for, with its tasks. Times are aware, and the database's.

    `epoch` counts hand-overs between two queues. `owner_outcome` is how the other one ended a job whose
    status is `mirrored` here; None until that is known, and without another one.

    Of a job of several tasks `tasks` are those that tell how it went: the first hundred that none comes
    after, and the first ten that failed; `list_tasks` of a queue reads all. `on_failure` is None for a job of
    one task.
    """

    job_id: str
    queue: str
    task_type: str
    status: JobStatus
    owner: Literal["supabase", "legacy"]
    tags: tuple[str, ...]
    created_at: datetime
    finished_at: datetime | None
    cancel_requested: bool
    tasks: tuple[Task, ...]
    epoch: int = 0
    owner_outcome: OwnerOutcome | None = None
    on_failure: Literal["fail", "skip", "continue"] | None = None
    task_count: int = 1
    unfinished_tasks: int | None = None
    failed_tasks: int | None = None
    cancelled_tasks: int | None = None

    @property
    def ended(self) -> bool:
        """Whether it is completed, failed or cancelled."""
        return self.status in ENDED

    @property
    def result(self) -> JsonValue:
        """What it came to; None until it has.

        Of a job of several tasks: the result of its last one; the completed results by name if none comes
        after several; None if that is over a hundred: give it a task that gathers them.
        """
        if self.on_failure is None:
            return self.tasks[0].result
        last = [task for task in self.tasks if task.is_last]
        if len(last) == 1:
            return last[0].result
        if len(last) >= TELLING_TASKS or not self.ended:
            return None
        return {str(task.name): task.result for task in last if task.status == "completed"}

    @property
    def error(self) -> JsonValue:
        """The latest error, as `{"type", "message"}`: of its first task, or of several the first that failed.

        None if there was none.
        """
        if self.on_failure is None:
            return self.tasks[0].error
        return next((task.error for task in self.tasks if task.status == "failed"), None)

    @property
    def payload(self) -> JsonValue:
        """The payload of its only task, if it was asked for; else None."""
        return self.tasks[0].payload if self.on_failure is None else None

    def result_as(self, model: type[Model]) -> Model:
        """Return the result as a pydantic model.

        Raises:
            PayloadMismatch: it does not fit, or there is none yet.
        """
        try:
            return model.model_validate_json(json.dumps(self.result))  # strict models take a date only so
        except ValidationError as error:
            raise _mismatch(error, model) from None  # its own text quotes the result


def _mismatch(error: ValidationError, model: type[BaseModel]) -> PayloadMismatch:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(("result", *map(str, first["loc"])))
    return PayloadMismatch(f"does not fit {model.__name__}: {first['type']}", field=place)
