"""Limiting how many jobs may wait in a queue."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from supaqueue.answer import WaitingLimit
from supaqueue.contract.call import CONTRACT_VERSION, Call, expect_answers
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType

MOST_WAITING = 1_000_000
"""What counting stays quick for."""

_REPLY = ReplyType(tuple[WaitingLimit, ...])


@dataclass(frozen=True, slots=True)
class LimitWaiting(Call[tuple[WaitingLimit, ...]]):
    """Limit how many jobs may wait in queues; without `waiting_limit` and `on_full` any number may.

    Answers each of them, in order. A repeat of `request_id` changes nothing again.
    """

    function: ClassVar[str] = "limit_waiting_v1"
    mutates: ClassVar[bool] = True

    queues: tuple[str, ...]
    waiting_limit: int | None = None
    on_full: Literal["refuse", "slow"] | None = None
    changed_by: str | None = None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "request_id": self.request_id,
            "queues": list(self.queues),
            "waiting_limit": self.waiting_limit,
            "on_full": self.on_full,
            "changed_by": self.changed_by,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> tuple[WaitingLimit, ...]:
        """Read the answer; raises ValueError if it is none."""
        answers = _REPLY.validate_python(body)
        expect_answers(len(self.queues), len(answers))
        return answers
