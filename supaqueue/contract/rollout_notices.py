"""Of which changes of a flag its owners are still to be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from supaqueue.contract.call import CONTRACT_VERSION, Call, expect_answers
from supaqueue.contract.change_feature_flag import LoggedFlagChange
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType

NoticeAnswer = Literal["told", "due", "unknown"]


@dataclass(frozen=True, slots=True)
class RolloutNotice:
    """A change that owners are to be told of, and how often that was tried in vain."""

    notice_id: str
    attempts: int
    change: LoggedFlagChange


_NOTICES = ReplyType(tuple[RolloutNotice, ...])


@dataclass(frozen=True, slots=True)
class ListRolloutNotices(Call[tuple[RolloutNotice, ...]]):
    """List what owners are to be told of now, oldest first."""

    function: ClassVar[str] = "list_rollout_notices_v1"
    mutates: ClassVar[bool] = False

    page_size: int = 100

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {"page_size": self.page_size, "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> tuple[RolloutNotice, ...]:
        """Read the answer; raises ValueError if it is none."""
        return _NOTICES.validate_python(body)


@dataclass(frozen=True, slots=True)
class ToldNotice:
    """What came of telling: `attempts` as it was listed; not `told` is due again, later with each try."""

    notice_id: str
    attempts: int
    told: bool
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    notice_id: str
    answer: NoticeAnswer


_ANSWERS = ReplyType(tuple[_Answer, ...])


@dataclass(frozen=True, slots=True)
class SettleRolloutNotices(Call[tuple[NoticeAnswer, ...]]):
    """Note of which changes owners have been told. Told once is told for good."""

    function: ClassVar[str] = "settle_rollout_notices_v1"
    mutates: ClassVar[bool] = True

    notices: tuple[ToldNotice, ...]

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        rows: list[Json] = [
            {
                "notice_id": one.notice_id,
                "attempts": one.attempts,
                "told": one.told,
                "problem": one.problem,
            }
            for one in self.notices
        ]
        return {"notices": rows, "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> tuple[NoticeAnswer, ...]:
        """Read the answer; raises ValueError if it is none."""
        answers = _ANSWERS.validate_python(body)
        expect_answers(len(self.notices), len(answers))
        return tuple(one.answer for one in answers)
