"""Disabling and enabling schedules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json
from supaqueue.contract.remove_schedules import ScheduleRef
from supaqueue.contract.schedule_answer import ScheduleAnswer, parse_schedule_answers


@dataclass(frozen=True, slots=True)
class SwitchSchedules(Call[tuple[ScheduleAnswer, ...]]):
    """Enable or disable schedules: `enabled` or `disabled` as asked, `changed` or `unknown`."""

    function: ClassVar[str] = "switch_schedules_v1"
    mutates: ClassVar[bool] = True

    schedules: tuple[ScheduleRef, ...]
    is_enabled: bool

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        rows: list[Json] = [schedule.row() | {"is_enabled": self.is_enabled} for schedule in self.schedules]
        return {"schedules": rows, "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> tuple[ScheduleAnswer, ...]:
        """Read the answer; raises ValueError if it is none."""
        return parse_schedule_answers(body, len(self.schedules))
