"""Enqueuing: storing jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supaqueue.answer import EnqueueAnswer
from supaqueue.contract.call import CONTRACT_VERSION, Call, expect_answers
from supaqueue.contract.json_value import Json
from supaqueue.contract.new_job import NewJob
from supaqueue.contract.reply_type import ReplyType

_REPLY = ReplyType(tuple[EnqueueAnswer, ...])


@dataclass(frozen=True, slots=True)
class EnqueueJobs(Call[tuple[EnqueueAnswer, ...]]):
    """Store jobs, all or none. One answer for each, in order."""

    function: ClassVar[str] = "enqueue_jobs_v1"
    mutates: ClassVar[bool] = True

    jobs: tuple[NewJob, ...]

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {"jobs": [_row(job) for job in self.jobs], "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> tuple[EnqueueAnswer, ...]:
        """Read the answer; raises ValueError if it is none."""
        answers = _REPLY.validate_python(body)
        expect_answers(len(self.jobs), len(answers))
        return answers

    def concerns(self) -> tuple[str, ...]:
        """Return the ids of the new jobs."""
        return tuple(job.job_id for job in self.jobs)


def _row(job: NewJob) -> Json:
    row = job.row()
    return row if job.owner is None else row | {"owner": job.owner}
