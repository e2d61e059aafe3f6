"""Removing schedules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json, without_none
from supaqueue.contract.schedule_answer import ScheduleAnswer, parse_schedule_answers


@dataclass(frozen=True, slots=True)
class ScheduleRef:
    """A schedule, at the version that is known of it; None if that has to be asked for."""

    schedule_name: str
    version: int | None = None

    def row(self) -> dict[str, Json]:
        """Return it as SQL takes it."""
        return without_none({"schedule_name": self.schedule_name, "version": self.version})


@dataclass(frozen=True, slots=True)
class RemoveSchedules(Call[tuple[ScheduleAnswer, ...]]):
    """Remove schedules: `removed`, `changed` if one stands at another version, or `unknown`."""

    function: ClassVar[str] = "remove_schedules_v1"
    mutates: ClassVar[bool] = True

    schedules: tuple[ScheduleRef, ...]

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        rows: list[Json] = [schedule.row() for schedule in self.schedules]
        return {"schedules": rows, "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> tuple[ScheduleAnswer, ...]:
        """Read the answer; raises ValueError if it is none."""
        return parse_schedule_answers(body, len(self.schedules))
