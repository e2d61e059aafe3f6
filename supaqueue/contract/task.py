"""A task that a worker holds, and how a call names it."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import SkipValidation

from supaqueue.contract.json_value import Json


@dataclass(frozen=True, slots=True)
class TaskRef:
    """A task and the lease that its holder has: what fences every call about it."""

    job_id: str
    task_number: int
    lease_token: int

    def row(self) -> dict[str, Json]:
        """Return it as SQL takes it."""
        return {"job_id": self.job_id, "task_number": self.task_number, "lease_token": self.lease_token}


@dataclass(frozen=True, slots=True)
class ClaimedTask:
    """A task as its holder gets it.

    `attempt` counts from 1; `waited_seconds` is the time from when it was to run until it was claimed.
    """

    job_id: str
    task_number: int
    queue: str
    task_type: str
    payload: SkipValidation[Json] = field(repr=False)
    lease_token: int
    attempt: int
    max_attempts: int
    waited_seconds: float

    @property
    def ref(self) -> TaskRef:
        """The task under its present lease."""
        return TaskRef(self.job_id, self.task_number, self.lease_token)
