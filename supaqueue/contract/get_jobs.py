"""Reading jobs by their ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supaqueue.contract.call import CONTRACT_VERSION, Call, expect_answers
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType
from supaqueue.job import Job

_REPLY = ReplyType(tuple[Job | None, ...])


@dataclass(frozen=True, slots=True)
class GetJobs(Call[tuple[Job | None, ...]]):
    """Read jobs; one answer for each id, in order, None where there is no such job."""

    function: ClassVar[str] = "get_jobs_v1"
    mutates: ClassVar[bool] = False

    job_ids: tuple[str, ...]
    with_payload: bool = False
    with_attempts: bool = False

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "job_ids": list(self.job_ids),
            "with_payload": self.with_payload,
            "with_attempts": self.with_attempts,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> tuple[Job | None, ...]:
        """Read the answer; raises ValueError if it is none."""
        jobs = _REPLY.validate_python(body)
        expect_answers(len(self.job_ids), len(jobs))
        return jobs

    def concerns(self) -> tuple[str, ...]:
        """Return the ids asked for."""
        return self.job_ids
