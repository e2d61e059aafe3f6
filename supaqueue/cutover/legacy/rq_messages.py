"""What of ours stands in an RQ job's meta: the stamp, and what the guard has to know of its attempts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from supaqueue.backoff import Backoff
from supaqueue.contract import Json, NewJob
from supaqueue.contract.attempts import backoff_row
from supaqueue.cutover.errors import StampTooNew
from supaqueue.cutover.stamp import Stamp
from supaqueue.errors import InvalidInput

STAMP = "supaqueue"
ATTEMPTS = "supaqueue_attempts"
DEFAULT_ATTEMPTS = 5


@dataclass(slots=True)
class Attempts:
    """How often a message may be tried, and how often it was. None: as the registry or defaults have it."""

    max_attempts: int | None = None
    backoff: Backoff | None = None
    timeout_seconds: float | None = None
    spent: int = 0

    @classmethod
    def of_job(cls, job: NewJob) -> Self:
        """Return those of a job that is to be published."""
        return cls(job.max_attempts, job.backoff, job.timeout_seconds)

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any]) -> Self:
        """Return those of a message; of one that is not ours, the defaults."""
        written = meta.get(ATTEMPTS) or {}
        return cls(
            written.get("max_attempts"),
            _backoff_of(written),
            written.get("timeout_seconds"),
            written.get("spent", 0),
        )

    def as_meta(self) -> dict[str, Json]:
        """Return them as they are written."""
        return {
            "max_attempts": self.max_attempts,
            "timeout_seconds": self.timeout_seconds,
            "spent": self.spent,
            **backoff_row(self.backoff),
        }


def stamp_of(meta: Mapping[str, Any]) -> Stamp | None:
    """Return the stamp in a meta; None if there is none, or one that this version cannot read."""
    try:
        return Stamp.from_json(meta[STAMP]) if STAMP in meta else None
    except (InvalidInput, StampTooNew):
        return None


def _backoff_of(written: Mapping[str, Any]) -> Backoff | None:
    if "retry_delay_seconds" not in written:
        return None
    return Backoff(
        written["retry_delay_seconds"],
        written["retry_factor"],
        written["retry_max_delay_seconds"],
        written["retry_jitter"],
    )
