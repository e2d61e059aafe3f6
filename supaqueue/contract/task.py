"""A task that a worker holds, and how a call names it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from pydantic import SkipValidation

from supaqueue.contract.json_value import Json


class Unchanged(Enum):
    """Stands for a value that a report leaves as it is."""

    UNCHANGED = "unchanged"


UNCHANGED = Unchanged.UNCHANGED


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
class Progress:
    """How far a handler is. Of several reports under one lease that with the highest `number` counts.

    What is `UNCHANGED` stays as it was; `checkpoint` is for the next attempt, up to 256 KiB of JSON.
    """

    number: int
    percent: float | Unchanged | None = UNCHANGED
    message: str | Unchanged | None = field(default=UNCHANGED, repr=False)
    checkpoint: Json | Unchanged = field(default=UNCHANGED, repr=False)

    def row(self) -> dict[str, Json]:
        """Return it as SQL takes it."""
        given: dict[str, Json | Unchanged] = {
            "percent": self.percent,
            "message": self.message,
            "checkpoint": self.checkpoint,
        }
        kept = {name: value for name, value in given.items() if not isinstance(value, Unchanged)}
        return {"number": self.number, **kept}


@dataclass(frozen=True, slots=True)
class ClaimedTask:
    """A task as its holder gets it.

    `attempt` counts from 1; `waited_seconds` is the time from when it was to run until it was claimed.
    `timeout_seconds` is what one attempt may take, `deadline_in_seconds` what is left for all of them at the
    claim; None is no limit. `checkpoint` is what an attempt before this one left behind. A task of purpose
    `shadow` is to have no effects. `results_before`: how many tasks come directly before it; their
    results are to be read first.
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
    timeout_seconds: float | None = None
    deadline_in_seconds: float | None = None
    checkpoint: SkipValidation[Json] = field(default=None, repr=False)
    purpose: Literal["run", "shadow", "probe"] = "run"
    task_name: str | None = None
    results_before: int = 0

    @property
    def ref(self) -> TaskRef:
        """The task under its present lease."""
        return TaskRef(self.job_id, self.task_number, self.lease_token)
