"""Listing what was declared for jobs of each task type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType


@dataclass(frozen=True, slots=True)
class DeclaredTaskType:
    """What jobs of one type get unless they say otherwise; None: as built in. Lengths are in seconds."""

    task_type: str
    max_attempts: int | None = None
    retry_delay_seconds: float | None = None
    retry_factor: float | None = None
    retry_max_delay_seconds: float | None = None
    retry_jitter: bool | None = None
    timeout_seconds: float | None = None
    deadline_seconds: float | None = None


_REPLY = ReplyType(tuple[DeclaredTaskType, ...])


@dataclass(frozen=True, slots=True)
class ListTaskTypes(Call[tuple[DeclaredTaskType, ...]]):
    """List the declarations of `SetTaskTypes` that stand, by name of the type."""

    function: ClassVar[str] = "list_task_types_v1"
    mutates: ClassVar[bool] = False

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {"contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> tuple[DeclaredTaskType, ...]:
        """Read the answer; raises ValueError if it is none."""
        return _REPLY.validate_python(body)
