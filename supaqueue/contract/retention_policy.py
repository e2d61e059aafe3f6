"""Which ended jobs may be removed: an age for each status."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from datetime import timedelta

from supaqueue.contract.json_value import Json, check_text, without_none
from supaqueue.errors import InvalidInput

Age = timedelta | float | None

LEAST_TOMBSTONE_AGE = timedelta(days=7)
"""A tombstone refuses a late enqueue of its id: it must outlive whatever may still come."""

_LONGEST = timedelta(days=36_525).total_seconds()
_NAMES = frozenset(("queue", "task_type"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """How long ended jobs are kept, as a timedelta or in seconds; None keeps them for good.

    The age counts from the job's end, by the database's clock. Jobs that wait or run are never removed, nor
    are mirrored ones. A pruned job is forgotten: a repeat of its enqueue stores and runs it once more.

    Args:
        completed: age of completed jobs.
        failed: age of failed ones, the dead letters.
        cancelled: age of cancelled ones; what was abandoned is kept for 7 days at least.
        tombstones: age of ids that were abandoned before any enqueue of them came; at least 7 days.
        probes: age of jobs none of whose tasks does the work itself: shadow runs and probes.
        queue: remove jobs of this queue only.
        task_type: remove jobs of this type only.

    Raises:
        InvalidInput: naming the field; also if there is no age at all.
    """

    completed: Age = None
    failed: Age = None
    cancelled: Age = None
    tombstones: Age = None
    probes: Age = None
    queue: str | None = None
    task_type: str | None = None

    def __post_init__(self) -> None:
        ages = [field.name for field in fields(self) if field.name not in _NAMES]
        for name in ages:
            _check_age(getattr(self, name), name)
        for name in _NAMES:
            if getattr(self, name) is not None:
                check_text(getattr(self, name), field=name)
        if all(getattr(self, name) is None for name in ages):
            raise InvalidInput(f"give an age to at least one of {', '.join(ages)}: nothing goes without one")
        if self.tombstones is not None:
            self._check_tombstones(_seconds(self.tombstones))

    def row(self) -> dict[str, Json]:
        """Return it as SQL takes it."""
        return without_none(
            {
                "completed_seconds": _seconds(self.completed),
                "failed_seconds": _seconds(self.failed),
                "cancelled_seconds": _seconds(self.cancelled),
                "tombstone_seconds": _seconds(self.tombstones),
                "probe_seconds": _seconds(self.probes),
                "queue": self.queue,
                "task_type": self.task_type,
            }
        )

    def _check_tombstones(self, seconds: float | None) -> None:
        if seconds is not None and seconds < LEAST_TOMBSTONE_AGE.total_seconds():
            raise InvalidInput("must be at least 7 days: late enqueues may still come", field="tombstones")
        if self.queue is not None or self.task_type is not None:
            raise InvalidInput(
                "cannot go with a queue or a task type, a tombstone has neither", field="tombstones"
            )


def _seconds(age: Age) -> float | None:
    return age.total_seconds() if isinstance(age, timedelta) else age


def _check_age(age: object, name: str) -> None:
    if age is None:
        return
    if isinstance(age, bool) or not isinstance(age, timedelta | int | float):
        raise InvalidInput(f"must be a timedelta or seconds, not {type(age).__name__}", field=name)
    seconds = _seconds(age)
    if seconds is None or not math.isfinite(seconds) or not 0 <= seconds <= _LONGEST:
        raise InvalidInput("must be 0 seconds to 100 years", field=name)
