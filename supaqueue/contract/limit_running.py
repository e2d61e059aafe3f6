"""Limiting how many tasks run at once or begin in a window, and listing those limits."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import TypeAdapter

from supaqueue.contract.call import CONTRACT_VERSION, Call, expect_answers
from supaqueue.contract.json_value import Json, without_none
from supaqueue.running_limit import RunningLimit, RunningLimitUse

_LIMITS = TypeAdapter(tuple[RunningLimit, ...])
_ROWS = TypeAdapter(list[dict[str, int | float | str | bool | None]])


@dataclass(frozen=True, slots=True)
class LimitRunning(Call[tuple[RunningLimit, ...]]):
    """Limit what runs; a limit without numbers is removed.

    Answers each as it stands now, in order. A repeat of `request_id` changes nothing again.
    """

    function: ClassVar[str] = "limit_running_v1"
    mutates: ClassVar[bool] = True

    limits: tuple[RunningLimit, ...]
    changed_by: str | None = None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "request_id": self.request_id,
            "limits": [_row(limit) for limit in self.limits],
            "changed_by": self.changed_by,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> tuple[RunningLimit, ...]:
        """Read the answer; raises ValueError if it is none."""
        answers = _LIMITS.validate_python(body)
        expect_answers(len(self.limits), len(answers))
        return answers


@dataclass(frozen=True, slots=True)
class ListRunningLimits(Call[tuple[RunningLimitUse, ...]]):
    """List the limits on what runs, by queue and task type, each with what runs under it."""

    function: ClassVar[str] = "list_running_limits_v1"
    mutates: ClassVar[bool] = False

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {"contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> tuple[RunningLimitUse, ...]:
        """Read the answer; raises ValueError if it is none."""
        rows = _ROWS.validate_python(body)
        uses = [(row.pop("running", None), row.pop("starts", None)) for row in rows]
        limits = _LIMITS.validate_python(rows)
        return tuple(
            RunningLimitUse(limit, _count(running), _count(starts))
            for limit, (running, starts) in zip(limits, uses, strict=True)
        )


def _row(limit: RunningLimit) -> dict[str, Json]:
    seconds = limit.starts_seconds
    assert seconds is None or isinstance(seconds, int | float)
    return without_none(
        {
            "queue": limit.queue,
            "task_type": limit.task_type,
            "each_tenant": limit.each_tenant,
            "running_limit": limit.running_limit,
            "starts_limit": limit.starts_limit,
            "starts_seconds": seconds,
        }
    )


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("expected how many tasks run and have begun")
    return value
