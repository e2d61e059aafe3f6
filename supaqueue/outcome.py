"""What a handler may say of its task, instead of returning a plain result or raising."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Done:
    """Completed, with `result`: plain JSON or a pydantic model."""

    result: object = None


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again `after` seconds (None: the task's own retry delay); costs an attempt."""

    after: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Snooze:
    """Not now: again in `seconds`; costs no attempt."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cancel:
    """Ended as cancelled, for good."""

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Fail:
    """Failed for good, whatever attempts are left."""

    error: str


Outcome: TypeAlias = Done | Retry | Snooze | Cancel | Fail
