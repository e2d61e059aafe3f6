"""Listing schedules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType
from supaqueue.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Schedules:
    """All schedules by name; `now` is the database's time, by which they tick."""

    now: datetime
    schedules: tuple[Schedule, ...]


_REPLY = ReplyType(Schedules)


@dataclass(frozen=True, slots=True)
class ListSchedules(Call[Schedules]):
    """List all schedules, disabled ones too."""

    function: ClassVar[str] = "list_schedules_v1"
    mutates: ClassVar[bool] = False

    with_payload: bool = False

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {"with_payload": self.with_payload, "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> Schedules:
        """Read the answer; raises ValueError if it is none."""
        return _REPLY.validate_python(body)
