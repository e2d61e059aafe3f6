"""What became of a change of a schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from supaqueue.contract.call import expect_answers
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType


@dataclass(frozen=True, slots=True)
class ScheduleAnswer:
    """How a schedule stands, at which version.

    `changed`: otherwise than asked, because the version named (or none) is not its present one; the same call
    with the version answered makes the change. `unknown`: there is none of this name.
    """

    schedule_name: str
    answer: Literal["declared", "removed", "enabled", "disabled", "changed", "unknown"]
    version: int | None


_REPLY = ReplyType(tuple[ScheduleAnswer, ...])


def parse_schedule_answers(body: Json, asked: int) -> tuple[ScheduleAnswer, ...]:
    """Read the answer to a change of so many schedules; raises ValueError if it is none."""
    answers = _REPLY.validate_python(body)
    expect_answers(asked, len(answers))
    return answers
