"""Telling the mirrors how legacy ended its jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal

from supaqueue.contract.call import CONTRACT_VERSION, Call, expect_answers
from supaqueue.contract.json_value import Json, without_none
from supaqueue.contract.reply_type import ReplyType


@dataclass(frozen=True, slots=True)
class LegacyOutcome:
    """How legacy ended a job that it owned under `epoch`; `error` is `{"type", "message"}`.

    `starts`: how often its handler was begun, also where that was no attempt.
    """

    job_id: str
    epoch: int
    status: Literal["completed", "failed", "cancelled"]
    result: Json = field(default=None, repr=False)
    error: Json = field(default=None, repr=False)
    attempts: int | None = None
    ended_at: datetime | None = None
    starts: int | None = None

    def row(self) -> dict[str, Json]:
        """Return it as SQL takes it."""
        return without_none(
            {
                "job_id": self.job_id,
                "epoch": self.epoch,
                "status": self.status,
                "result": self.result,
                "error": self.error,
                "attempts": self.attempts,
                "ended_at": self.ended_at.isoformat() if self.ended_at else None,
                "starts": self.starts,
            }
        )


@dataclass(frozen=True, slots=True)
class RecordAnswer:
    """`recorded`, now or before; `not_owner`: legacy does not own it so; `unknown`: no mirror came yet."""

    job_id: str
    answer: Literal["recorded", "not_owner", "unknown"]


_REPLY = ReplyType(tuple[RecordAnswer, ...])


@dataclass(frozen=True, slots=True)
class RecordOutcomes(Call[tuple[RecordAnswer, ...]]):
    """Note outcomes beside their mirrors; the first one of a job stays. One answer for each, in order."""

    function: ClassVar[str] = "record_outcomes_v1"
    mutates: ClassVar[bool] = True

    outcomes: tuple[LegacyOutcome, ...]

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "outcomes": [outcome.row() for outcome in self.outcomes],
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> tuple[RecordAnswer, ...]:
        """Read the answer; raises ValueError if it is none."""
        answers = _REPLY.validate_python(body)
        expect_answers(len(self.outcomes), len(answers))
        return answers

    def concerns(self) -> tuple[str, ...]:
        """Return the ids of the jobs."""
        return tuple(outcome.job_id for outcome in self.outcomes)
