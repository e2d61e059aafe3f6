"""Taking back enqueues whose answer was lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supaqueue.answer import AbandonAnswer
from supaqueue.contract.call import CONTRACT_VERSION, Call, expect_answers
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType

_REPLY = ReplyType(tuple[AbandonAnswer, ...])


@dataclass(frozen=True, slots=True)
class AbandonJobs(Call[tuple[AbandonAnswer, ...]]):
    """Take back jobs: what is waiting is cancelled, what never came can come no more."""

    function: ClassVar[str] = "abandon_jobs_v1"
    mutates: ClassVar[bool] = True

    job_ids: tuple[str, ...]

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {"job_ids": list(self.job_ids), "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> tuple[AbandonAnswer, ...]:
        """Read the answer; raises ValueError if it is none."""
        answers = _REPLY.validate_python(body)
        expect_answers(len(self.job_ids), len(answers))
        return answers

    def concerns(self) -> tuple[str, ...]:
        """Return the ids to abandon."""
        return self.job_ids
