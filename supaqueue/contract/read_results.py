"""Reading what the tasks before one came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pydantic import SkipValidation, TypeAdapter

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json
from supaqueue.contract.task import TaskRef


@dataclass(frozen=True, slots=True)
class ResultPage:
    """Results by task name, of those that completed; `next_after` asks for the next page, None at the end.

    `lost`: the lease is no longer this worker's.
    """

    answer: Literal["read", "lost"]
    results: SkipValidation[dict[str, Json]] = field(repr=False)
    next_after: int | None


_REPLY = TypeAdapter(ResultPage)


@dataclass(frozen=True, slots=True)
class ReadResults(Call[ResultPage]):
    """Read the results of the tasks directly before one that a worker holds: numbers above `after`.

    A page has at most 4 MiB of results, or a single one.
    """

    function: ClassVar[str] = "read_results_v1"
    mutates: ClassVar[bool] = False

    worker_id: str
    ref: TaskRef
    after: int = -1

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "worker_id": self.worker_id,
            **self.ref.row(),
            "after_number": self.after,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> ResultPage:
        """Read the answer; raises ValueError if it is none."""
        return _REPLY.validate_python(body)

    def concerns(self) -> tuple[str, ...]:
        """Return the job's id."""
        return (self.ref.job_id,)
