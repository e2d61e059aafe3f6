"""Taking jobs over from legacy: saying so first, opening them last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from supaqueue.contract.call import CONTRACT_VERSION, Call, expect_answers
from supaqueue.contract.json_value import Json
from supaqueue.contract.new_job import NewJob
from supaqueue.contract.reply_type import ReplyType


@dataclass(frozen=True, slots=True)
class TakeOverAnswer:
    """`due`: go on; `not_owner`: it is Supabase's already; `started` or `ended` in legacy; `changed`."""

    job_id: str
    answer: Literal["due", "not_owner", "started", "ended", "changed"]


_TAKE_OVER = ReplyType(tuple[TakeOverAnswer, ...])


@dataclass(frozen=True, slots=True)
class TakeOverJobs(Call[tuple[TakeOverAnswer, ...]]):
    """Say that jobs are to be taken over, each under its epoch; those not known here are stored."""

    function: ClassVar[str] = "take_over_jobs_v1"
    mutates: ClassVar[bool] = True

    jobs: tuple[tuple[NewJob, int], ...]

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        rows: list[Json] = [job.row() | {"epoch": epoch} for job, epoch in self.jobs]
        return {"jobs": rows, "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> tuple[TakeOverAnswer, ...]:
        """Read the answer; raises ValueError if it is none."""
        answers = _TAKE_OVER.validate_python(body)
        expect_answers(len(self.jobs), len(answers))
        return answers

    def concerns(self) -> tuple[str, ...]:
        """Return the ids of the jobs."""
        return tuple(job.job_id for job, _ in self.jobs)


@dataclass(frozen=True, slots=True)
class OpenAnswer:
    """`opened`: it is Supabase's and pending; `kept`: legacy's, which started it; `changed`; `unknown`."""

    job_id: str
    answer: Literal["opened", "kept", "changed", "unknown"]


_OPEN = ReplyType(tuple[OpenAnswer, ...])


@dataclass(frozen=True, slots=True)
class OpenTakenOverJobs(Call[tuple[OpenAnswer, ...]]):
    """Open jobs here that legacy can start no more. `jobs` are ids, epochs, and whether that was won."""

    function: ClassVar[str] = "open_taken_over_jobs_v1"
    mutates: ClassVar[bool] = True

    jobs: tuple[tuple[str, int, bool], ...]

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        rows: list[Json] = [{"job_id": id, "epoch": epoch, "won": won} for id, epoch, won in self.jobs]
        return {"jobs": rows, "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> tuple[OpenAnswer, ...]:
        """Read the answer; raises ValueError if it is none."""
        answers = _OPEN.validate_python(body)
        expect_answers(len(self.jobs), len(answers))
        return answers

    def concerns(self) -> tuple[str, ...]:
        """Return the ids of the jobs."""
        return tuple(job_id for job_id, _, _ in self.jobs)
