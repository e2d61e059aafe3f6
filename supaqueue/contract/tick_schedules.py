"""Ticking: the jobs of recurring jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from supaqueue.contract.call import CONTRACT_VERSION, Call, expect_answers
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType


@dataclass(frozen=True, slots=True)
class Ticks:
    """Of one schedule at one version: the ticks that get a job; any other until `through` gets none."""

    schedule_name: str
    version: int
    ticks: tuple[datetime, ...]
    through: datetime

    def row(self) -> dict[str, Json]:
        """Return it as SQL takes it."""
        return {
            "schedule_name": self.schedule_name,
            "version": self.version,
            "ticks": [tick.isoformat() for tick in self.ticks],
            "through": self.through.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class TickAnswer:
    """One tick: its job was `created`, it `exists`, or the tick was `passed` over and has none."""

    tick: datetime
    job_id: str
    answer: Literal["created", "exists", "passed"]


@dataclass(frozen=True, slots=True)
class TicksAnswer:
    """One schedule: `ticked` if all until `through` is decided, `changed` if it is not as it was known."""

    schedule_name: str
    answer: Literal["ticked", "changed"]
    ticks: tuple[TickAnswer, ...]


_REPLY = ReplyType(tuple[TicksAnswer, ...])


@dataclass(frozen=True, slots=True)
class TickSchedules(Call[tuple[TicksAnswer, ...]]):
    """Decide what ticked; of all who do, one is first, and the others find it decided."""

    function: ClassVar[str] = "tick_schedules_v1"
    mutates: ClassVar[bool] = True

    schedules: tuple[Ticks, ...]

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        rows: list[Json] = [ticks.row() for ticks in self.schedules]
        return {"schedules": rows, "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> tuple[TicksAnswer, ...]:
        """Read the answer; raises ValueError if it is none."""
        answers = _REPLY.validate_python(body)
        expect_answers(len(self.schedules), len(answers))
        return answers
