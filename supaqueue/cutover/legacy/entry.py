"""What an old queue's index knows of one job."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import SkipValidation

from supaqueue.contract import PROBE_TYPE, Json, NewJob
from supaqueue.cutover.stamp import Stamp

Owner = Literal["supabase", "legacy"]
EntryState = Literal["intent", "published", "parked", "closed"]
"""intent: accepted, perhaps not in the broker yet; parked: an inert copy; closed: it never starts here."""
ClosedAs = Literal["cancelled", "abandoned", "taken_over", "settled"]


@dataclass(frozen=True, slots=True)
class Message:
    """What is published: a job under its stamp. `due_at` is when it may run, by the index's clock."""

    stamp: Stamp
    job: NewJob
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ended, wherever it ran. `error` is `{"type", "message"}`.

    Attributes:
        ended_at: None until it is recorded.
        seconds: how long its last attempt ran, by the clock of its worker alone; None if nobody measured.
        left_out: why Supabase could not hold its result, which is not here then.
    """

    status: Literal["completed", "failed", "cancelled"]
    result: SkipValidation[Json] = field(default=None, repr=False)
    error: SkipValidation[Json] = field(default=None, repr=False)
    attempts: int = 0
    ended_at: datetime | None = None
    seconds: float | None = field(default=None, compare=False)
    left_out: str | None = None

    def row(self) -> dict[str, Json]:
        """Return it as an index writes it: without its time, which is kept apart."""
        row: dict[str, Json] = {
            "status": self.status,
            "result": self.result,
            "error": self.error,
            "attempts": self.attempts,
        }
        further: dict[str, Json] = {"seconds": self.seconds, "left_out": self.left_out}
        return row | {name: value for name, value in further.items() if value is not None}


@dataclass(frozen=True, slots=True)
class BrokenGlass:
    """Who let a job run here without Supabase's consent, why, and when, by the index's clock."""

    by: str
    reason: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One job in an index. Times are aware, and the index's.

    Attributes:
        job: what was asked for; None for a tombstone: the id was abandoned before it came.
        epoch: under which it may run here, if it may.
        runner: who holds the run marker, until `runs_until`.
        starts: how often a guard let its handler begin.
        ending: how it ended, here or (of a parked copy) at its owner's.
        broken_glass: set if it may run here, under `epoch`, without Supabase being asked.
        repeat: what a second run without effects came to, of a job that ended here.
    """

    job_id: str
    job: NewJob | None = field(repr=False)
    owner: Owner
    epoch: int
    state: EntryState
    accepted_at: datetime
    due_at: datetime | None = None
    native_id: str | None = None
    runner: str | None = None
    runs_until: datetime | None = None
    starts: int = 0
    cancel_requested: bool = False
    closed_as: ClosedAs | None = None
    ending: Ending | None = None
    broken_glass: BrokenGlass | None = None
    repeat: Ending | None = None

    @property
    def is_probe(self) -> bool:
        """Whether it is a heartbeat job: it has no mirror, and is compared with nothing."""
        return self.job is not None and self.job.task_type == PROBE_TYPE
