"""Declaring schedules: making them stand as given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json
from supaqueue.contract.new_schedule import NewSchedule
from supaqueue.contract.schedule_answer import ScheduleAnswer, parse_schedule_answers


@dataclass(frozen=True, slots=True)
class DeclareSchedules(Call[tuple[ScheduleAnswer, ...]]):
    """Make schedules stand as given: `declared`, or `changed` if one stands otherwise at another version.

    `versions` are those that may be replaced, in the schedules' order; None for what is thought to be new.
    """

    function: ClassVar[str] = "declare_schedules_v1"
    mutates: ClassVar[bool] = True

    schedules: tuple[NewSchedule, ...]
    versions: tuple[int | None, ...]

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        rows: list[Json] = [
            schedule.row(version) for schedule, version in zip(self.schedules, self.versions, strict=True)
        ]
        return {"schedules": rows, "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> tuple[ScheduleAnswer, ...]:
        """Read the answer; raises ValueError if it is none."""
        return parse_schedule_answers(body, len(self.schedules))
