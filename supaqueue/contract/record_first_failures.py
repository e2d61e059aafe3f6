"""Telling the mirrors that an attempt of legacy's has failed, before its job has ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supaqueue.contract.call import CONTRACT_VERSION, Call, expect_answers
from supaqueue.contract.json_value import Json
from supaqueue.contract.record_outcomes import RecordAnswer
from supaqueue.contract.reply_type import ReplyType

_REPLY = ReplyType(tuple[RecordAnswer, ...])


@dataclass(frozen=True, slots=True)
class RecordFirstFailures(Call[tuple[RecordAnswer, ...]]):
    """Note that an attempt of these jobs has failed; the first time of a job stays. One answer for each.

    Args:
        failures: job_id and the epoch under which legacy owns it.
    """

    function: ClassVar[str] = "record_first_failures_v1"
    mutates: ClassVar[bool] = True

    failures: tuple[tuple[str, int], ...]

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "failures": [{"job_id": job_id, "epoch": epoch} for job_id, epoch in self.failures],
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> tuple[RecordAnswer, ...]:
        """Read the answer; raises ValueError if it is none."""
        answers = _REPLY.validate_python(body)
        expect_answers(len(self.failures), len(answers))
        return answers

    def concerns(self) -> tuple[str, ...]:
        """Return the ids of the jobs."""
        return tuple(job_id for job_id, _ in self.failures)
