"""Decides whether a message of the legacy queue may run, and holds the run marker while it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["run", "drop", "hold"]


@dataclass(frozen=True, slots=True)
class Admission:
    """`run` it; `drop` it, it is another's or has ended; `hold` it, and look again in `seconds`."""

    verdict: Verdict
    reason: str
    seconds: float = 0.0
