"""Pausing queues, and resuming them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from supaqueue.answer import QueuePause
from supaqueue.contract.call import CONTRACT_VERSION, Call, expect_answers
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType

_REPLY = ReplyType(tuple[QueuePause, ...])


def _new_request_id() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class PauseQueues(Call[tuple[QueuePause, ...]]):
    """Pause queues for `pause_seconds` or until `paused_until`, or else until they are resumed.

    Answers each of them, in order.

    Once it is answered nothing is newly leased from them. A repeat of `request_id` changes nothing, also if
    the queue was resumed meanwhile.
    """

    function: ClassVar[str] = "pause_queues_v1"
    mutates: ClassVar[bool] = True

    queues: tuple[str, ...]
    pause_seconds: float | None = None
    paused_until: datetime | None = None
    reason: str | None = None
    changed_by: str | None = None
    request_id: str = field(default_factory=_new_request_id)

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "request_id": self.request_id,
            "queues": list(self.queues),
            "pause_seconds": self.pause_seconds,
            "paused_until": self.paused_until.isoformat() if self.paused_until else None,
            "reason": self.reason,
            "changed_by": self.changed_by,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> tuple[QueuePause, ...]:
        """Read the answer; raises ValueError if it is none."""
        answers = _REPLY.validate_python(body)
        expect_answers(len(self.queues), len(answers))
        return answers


@dataclass(frozen=True, slots=True)
class ResumeQueues(Call[tuple[QueuePause, ...]]):
    """End the pause of queues; one answer for each, in order. Repeatable by `request_id`."""

    function: ClassVar[str] = "resume_queues_v1"
    mutates: ClassVar[bool] = True

    queues: tuple[str, ...]
    changed_by: str | None = None
    request_id: str = field(default_factory=_new_request_id)

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "request_id": self.request_id,
            "queues": list(self.queues),
            "changed_by": self.changed_by,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> tuple[QueuePause, ...]:
        """Read the answer; raises ValueError if it is none."""
        answers = _REPLY.validate_python(body)
        expect_answers(len(self.queues), len(answers))
        return answers
