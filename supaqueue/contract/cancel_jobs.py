"""Cancelling jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supaqueue.answer import CancelAnswer
from supaqueue.contract.call import CONTRACT_VERSION, Call, expect_answers
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType

_REPLY = ReplyType(tuple[CancelAnswer, ...])


@dataclass(frozen=True, slots=True)
class CancelJobs(Call[tuple[CancelAnswer, ...]]):
    """Cancel jobs: waiting ones at once, running ones with their worker's next heartbeat."""

    function: ClassVar[str] = "cancel_jobs_v1"
    mutates: ClassVar[bool] = True

    job_ids: tuple[str, ...]

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {"job_ids": list(self.job_ids), "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> tuple[CancelAnswer, ...]:
        """Read the answer; raises ValueError if it is none."""
        answers = _REPLY.validate_python(body)
        expect_answers(len(self.job_ids), len(answers))
        return answers

    def concerns(self) -> tuple[str, ...]:
        """Return the ids to cancel."""
        return self.job_ids
