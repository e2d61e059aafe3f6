"""What a relay must tell legacy of, and that it has."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, SkipValidation

from supaqueue.contract.call import CONTRACT_VERSION, Call, expect_answers
from supaqueue.contract.json_value import Json
from supaqueue.contract.new_job import NewJob
from supaqueue.contract.reply_type import ReplyType

MirrorState = Literal["due", "end_due", "release_due", "takeover_due"]
"""due: an inert copy; end_due: how it ended; release_due: legacy is to run it; takeover_due: never again."""


@dataclass(frozen=True, slots=True)
class MirrorEnding:
    """How a job ended here; `error` is `{"type", "message"}`."""

    status: Literal["completed", "failed", "cancelled"]
    result: SkipValidation[Json] = field(default=None, repr=False)
    error: SkipValidation[Json] = field(default=None, repr=False)
    attempts: int = 0
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Mirror:
    """A job of which legacy must be told, with all that was asked for; `ending` if it has ended."""

    job_id: str
    owner: Literal["supabase", "legacy"]
    epoch: int
    mirror_state: MirrorState
    job: Annotated[SkipValidation[NewJob], BeforeValidator(NewJob.from_row)] = field(repr=False)
    ending: MirrorEnding | None

    def row(self) -> dict[str, Json]:
        """Return what names it in an answer."""
        return {"job_id": self.job_id, "epoch": self.epoch, "mirror_state": self.mirror_state}


@dataclass(frozen=True, slots=True)
class MirrorPage:
    """Mirrors, oldest first, and the cursor of the next page; None at the end."""

    mirrors: tuple[Mirror, ...]
    next_page: str | None


_PAGE = ReplyType(MirrorPage)


@dataclass(frozen=True, slots=True)
class ListMirrors(Call[MirrorPage]):
    """List what legacy must be told of, in one state, by page; a page has at most 4 MiB of payloads."""

    function: ClassVar[str] = "list_mirrors_v1"
    mutates: ClassVar[bool] = False

    mirror_state: MirrorState
    page: str | None = None
    page_size: int = 500

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "mirror_state": self.mirror_state,
            "page": self.page,
            "page_size": self.page_size,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> MirrorPage:
        """Read the answer; raises ValueError if it is none."""
        return _PAGE.validate_python(body)


@dataclass(frozen=True, slots=True)
class SettleAnswer:
    """`settled`, now or before; `changed`: it is in another state or epoch by now; `unknown`."""

    job_id: str
    answer: Literal["settled", "changed", "unknown"]


_ANSWERS = ReplyType(tuple[SettleAnswer, ...])


@dataclass(frozen=True, slots=True)
class SettleMirrors(Call[tuple[SettleAnswer, ...]]):
    """Note that legacy was told of these, as they were listed."""

    function: ClassVar[str] = "settle_mirrors_v1"
    mutates: ClassVar[bool] = True

    mirrors: tuple[Mirror, ...]

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {"mirrors": [mirror.row() for mirror in self.mirrors], "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> tuple[SettleAnswer, ...]:
        """Read the answer; raises ValueError if it is none."""
        answers = _ANSWERS.validate_python(body)
        expect_answers(len(self.mirrors), len(answers))
        return answers

    def concerns(self) -> tuple[str, ...]:
        """Return the ids of the jobs."""
        return tuple(mirror.job_id for mirror in self.mirrors)
