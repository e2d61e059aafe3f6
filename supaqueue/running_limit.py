"""How many tasks of a queue, a task type, both, or each tenant may run at once, or begin in a window."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from supaqueue.errors import InvalidInput

MOST_RUNNING = 100_000
MOST_STARTS = 1_000_000
SHORTEST_WINDOW_SECONDS = 0.1
LONGEST_WINDOW_SECONDS = timedelta(days=31).total_seconds()


@dataclass(frozen=True, slots=True)
class RunningLimit:
    """A limit on what is leased by workers, whichever they are; without numbers, none.

    Args:
        queue: of which queue, 1 to 200 characters; None: of all.
        task_type: of which type, 1 to 200 characters; None: of all. One of the two is needed.
        each_tenant: each tenant may have as many; what has no tenant is not limited by it.
        running_limit: how many tasks may be leased at once, 1 to 100,000.
        starts_limit: how many leases may begin in a window, 1 to 1,000,000.
        starts_seconds: how long a window is, from its first lease on: 0.1 to 31 days, in seconds or as a
            timedelta.
        changed_by: who set it, in answers.

    Raises:
        InvalidInput: naming the field.
    """

    queue: str | None = None
    task_type: str | None = None
    each_tenant: bool = False
    running_limit: int | None = None
    starts_limit: int | None = None
    starts_seconds: float | timedelta | None = None
    changed_by: str | None = None

    def __post_init__(self) -> None:
        if self.queue is None and self.task_type is None:
            raise InvalidInput("must be given, or task_type, or both", field="queue")
        for field, name in (("queue", self.queue), ("task_type", self.task_type)):
            if name is not None and not (isinstance(name, str) and 1 <= len(name) <= 200):
                raise InvalidInput("must be a text of 1 to 200 characters", field=field)
        _check_number("running_limit", self.running_limit, MOST_RUNNING)
        _check_number("starts_limit", self.starts_limit, MOST_STARTS)
        if isinstance(self.starts_seconds, timedelta):
            object.__setattr__(self, "starts_seconds", self.starts_seconds.total_seconds())
        self._check_window()

    def _check_window(self) -> None:
        seconds = self.starts_seconds
        if (seconds is None) != (self.starts_limit is None):
            raise InvalidInput("must be given with starts_limit, and only then", field="starts_seconds")
        if seconds is None:
            return
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise InvalidInput(
                f"must be seconds or a timedelta, not {type(seconds).__name__}", field="starts_seconds"
            )
        if not SHORTEST_WINDOW_SECONDS <= seconds <= LONGEST_WINDOW_SECONDS:
            raise InvalidInput("must be from 0.1 s to 31 days", field="starts_seconds")

    @property
    def limits_nothing(self) -> bool:
        """Whether any number may run: what a limit that was removed is answered as."""
        return self.running_limit is None and self.starts_limit is None


@dataclass(frozen=True, slots=True)
class RunningLimitUse:
    """A limit, how many tasks are leased under it, and how many leases its open window has begun.

    Of a limit of each tenant both numbers are those of the tenant that has most.
    """

    limit: RunningLimit
    running: int
    starts: int


def _check_number(field: str, value: object, most: int) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput(f"must be a whole number or None, not {type(value).__name__}", field=field)
    if not 1 <= value <= most:
        raise InvalidInput(f"must be from 1 to {most:,}", field=field)
