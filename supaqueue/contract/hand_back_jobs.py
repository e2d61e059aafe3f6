"""Sending waiting jobs back to legacy, batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import SkipValidation

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType

LARGEST_BATCH = 5000


@dataclass(frozen=True, slots=True)
class HandedBack:
    """What one batch came to.

    Attributes:
        moved: jobs that are legacy's now.
        passed_over: jobs that are to go and that another session held.
        next: the place to go on from; None at the end of a pass.
        done: a whole pass found nothing, and nothing can come any more.
        is_on: whether any type goes back at all.
    """

    moved: int
    passed_over: int
    next: SkipValidation[Json]
    done: bool
    is_on: bool


_REPLY = ReplyType(HandedBack)


@dataclass(frozen=True, slots=True)
class HandBackJobs(Call[HandedBack]):
    """Look at the next `want` waiting tasks, and send those of types that go back over to legacy."""

    function: ClassVar[str] = "hand_back_jobs_v1"
    mutates: ClassVar[bool] = True

    after: Json = None
    want: int = LARGEST_BATCH

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {"after": self.after, "want": self.want, "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> HandedBack:
        """Read the answer; raises ValueError if it is none."""
        return _REPLY.validate_python(body)
