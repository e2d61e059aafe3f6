"""Asking whether legacy may run a job that was handed over to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from supaqueue.contract.call import CONTRACT_VERSION, Call, expect_answers
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType


@dataclass(frozen=True, slots=True)
class StartLegacyAnswer:
    """`started`: legacy may run it; `stale`: not under this epoch, or no more; `unknown`: no such job."""

    job_id: str
    answer: Literal["started", "stale", "unknown"]


_REPLY = ReplyType(tuple[StartLegacyAnswer, ...])


@dataclass(frozen=True, slots=True)
class StartLegacy(Call[tuple[StartLegacyAnswer, ...]]):
    """Win the right to run jobs as legacy, each under exactly this epoch. `jobs` are ids with epochs."""

    function: ClassVar[str] = "start_legacy_v1"
    mutates: ClassVar[bool] = True

    jobs: tuple[tuple[str, int], ...]

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        rows: list[Json] = [{"job_id": job_id, "epoch": epoch} for job_id, epoch in self.jobs]
        return {"jobs": rows, "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> tuple[StartLegacyAnswer, ...]:
        """Read the answer; raises ValueError if it is none."""
        answers = _REPLY.validate_python(body)
        expect_answers(len(self.jobs), len(answers))
        return answers

    def concerns(self) -> tuple[str, ...]:
        """Return the ids asked about."""
        return tuple(job_id for job_id, _ in self.jobs)
