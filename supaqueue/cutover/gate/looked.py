"""What one look of a watch came to."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from supaqueue.contract import FeatureFlag
from supaqueue.cutover.gate.verdict import Verdict
from supaqueue.errors import SupaqueueError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a look, or a part of it, failed.

    Attributes:
        part: which part did: a flag's task type, `overall`, or `telling owners`; None: the look as a whole.
        text: of an error that nobody foresaw its type alone, as its own text may quote a job.
    """

    part: str | None
    error_type: str
    text: str

    @classmethod
    def of(cls, error: Exception, part: str | None = None) -> Self:
        """Return what is said of a failure."""
        name = type(error).__name__
        if isinstance(error, SupaqueueError):
            return cls(part, name, f"{name}: {error}")
        _log.error("the look failed in a way that nobody foresaw", exc_info=error)
        return cls(part, name, name)

    def __str__(self) -> str:
        return f"{self.part}: {self.text}" if self.part else self.text


@dataclass(frozen=True, slots=True)
class Looked:
    """One look of a watch.

    Attributes:
        at: when it ended, by this machine's clock.
        holder: who looks instead; None if this watch did.
        verdicts: by flag; those of which the look failed are missing.
        changed: flags as this look left them.
        told: of how many changes owners were told.
        problems: why it failed, or parts of it; what was done stays done.
        lets_go: whether the lease was given up for that, so that another watch may look.
    """

    at: datetime
    holder: str | None = None
    verdicts: tuple[Verdict, ...] = ()
    changed: tuple[FeatureFlag, ...] = ()
    told: int = 0
    problems: tuple[Problem, ...] = ()
    lets_go: bool = False

    @property
    def problem(self) -> str | None:
        """Why it failed, as one line; None if it did not."""
        return "; ".join(map(str, self.problems)) or None
