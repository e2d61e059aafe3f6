"""What a verdict is made of: conditions, each with its figures, what it is held to, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from supaqueue.contract import Json

State = Literal["met", "unmet", "unknown", "not_asked"]
"""`unknown`: too little is known to say, which is never as good as met. `not_asked`: it says nothing here."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is asked of a step.

    Attributes:
        task_type: whose; None where all are meant.
        figures: what was found.
        bound: what they are held to, as a sentence.
        source: where they come from.
        missing: what is still to come, or to be done; None if nothing is.
        missing_seconds: about how long that takes at the present rate; None if nobody can tell.
    """

    name: str
    state: State
    bound: str
    source: str
    task_type: str | None = None
    figures: Mapping[str, Json] = field(default_factory=dict)
    missing: str | None = None
    missing_seconds: float | None = None

    @property
    def holds_up(self) -> bool:
        """Whether no step passes with it."""
        return self.state in ("unmet", "unknown")
