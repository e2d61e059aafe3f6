"""How a job is unique: by which key, for how long, and what becomes of another one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from supaqueue.errors import InvalidInput

OnConflict = Literal["reject", "replace", "push_back"]
_HOLDS = ("started", "finished")
_ON_CONFLICT = ("reject", "replace", "push_back")
SHORTEST_SECONDS = 0.001
LONGEST_SECONDS = timedelta(days=30).total_seconds()


@dataclass(frozen=True, slots=True)
class Unique:
    """Among jobs of one task type, in whatever queue, one holds a key at a time.

    Args:
        key: what must not be twice, 1 to 200 characters.
        until: how long the job holds it: `"started"` until its handler begins, `"finished"` until it is
            completed, failed or cancelled, or, as seconds or a timedelta up to 30 days, for that long from
            its enqueue, whatever becomes of it.
        on_conflict: what a job becomes that finds the key held. `"reject"`: nothing, it is answered with the
            id of the one that holds it. `"replace"`: while that one waits, it gets this one's payload,
            options and tags, and keeps its time and place. `"push_back"`: the same, and this one's time as
            well, which is a debounce.

    Raises:
        InvalidInput: naming the field.
    """

    key: str
    until: Literal["started", "finished"] | float | timedelta
    on_conflict: OnConflict = "reject"

    def __post_init__(self) -> None:
        if not isinstance(self.key, str) or not 1 <= len(self.key) <= 200:
            raise InvalidInput("must be a text of 1 to 200 characters", field="unique.key")
        object.__setattr__(self, "until", _checked_until(self.until))
        if self.on_conflict not in _ON_CONFLICT:
            raise InvalidInput(f"must be one of {', '.join(_ON_CONFLICT)}", field="unique.on_conflict")


def _checked_until(value: object) -> str | float:
    if isinstance(value, str):
        if value not in _HOLDS:
            raise InvalidInput(f"must be one of {', '.join(_HOLDS)}, or seconds", field="unique.until")
        return value
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InvalidInput(
            f"must be started, finished, seconds or a timedelta, not {type(value).__name__}",
            field="unique.until",
        )
    if not (math.isfinite(seconds) and SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS):
        raise InvalidInput(
            f"must be between {SHORTEST_SECONDS:g} and {LONGEST_SECONDS:,.0f} seconds", field="unique.until"
        )
    return float(seconds)
