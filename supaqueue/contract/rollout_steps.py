"""Steps of a rollout: what each must prove, declared before, and decided once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Literal

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.feature_flag import Percent
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType

StepVerdict = Literal["pass", "no_pass"]
StepAnswer = Literal["declared", "decided", "too_soon", "over", "no_evidence", "unknown"]
"""`over`: the flag stands at another step by now."""


@dataclass(frozen=True, slots=True)
class RolloutStep:
    """A share that a flag stands at, and what it must prove before the next one.

    Attributes:
        flag_version: of the change of the share with which the step began.
        number: 1; a step that was begun anew counts on.
        next_percent: where it would go; None if to no other percent.
        began_at: from when on its jobs count.
        mismatch_bound: the rate of differing jobs, from 0 to 1, that it must rule out.
        seen_rate: the rate that was known when it was declared.
        declared_jobs: at how many compared jobs it is decided.
        canary_jobs: at how many ended jobs of Supabase's own, by task type.
        verdict: None until it is decided.
        mismatch_rate: of the jobs that it was decided on.
        evidence: the hash of what it was decided on.
    """

    step_id: int
    flag_name: str
    flag_version: int
    number: int
    percent: Percent
    next_percent: Percent | None
    began_at: datetime
    declared_at: datetime
    declared_by: str
    reason: str | None
    mismatch_bound: float
    seen_rate: float
    declared_jobs: int
    canary_jobs: Mapping[str, int]
    holding_seconds: float
    decided_at: datetime | None
    decided_by: str | None
    verdict: StepVerdict | None
    mismatch_rate: float | None
    evidence: str | None


@dataclass(frozen=True, slots=True)
class AnsweredStep:
    """What came of declaring or deciding a step, and how it stands then."""

    answer: StepAnswer
    step: RolloutStep | None


_STEP = ReplyType(AnsweredStep)


@dataclass(frozen=True, slots=True)
class DeclareRolloutStep(Call[AnsweredStep]):
    """Declare what the present step must prove; the first declaration stays. `RolloutStep` says what is what.

    `number` 2 and up begins a step anew that did not pass, which takes a `reason`.
    """

    function: ClassVar[str] = "declare_rollout_step_v1"
    mutates: ClassVar[bool] = True

    flag_name: str
    flag_version: int
    next_percent: Decimal | None
    mismatch_bound: float
    seen_rate: float
    declared_jobs: int
    canary_jobs: Mapping[str, int]
    holding_seconds: float
    declared_by: str
    number: int = 1
    reason: str | None = None

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        step: dict[str, Json] = {
            "flag_name": self.flag_name,
            "flag_version": self.flag_version,
            "number": self.number,
            "next_percent": None if self.next_percent is None else float(self.next_percent),
            "mismatch_bound": self.mismatch_bound,
            "seen_rate": self.seen_rate,
            "declared_jobs": self.declared_jobs,
            "canary_jobs": dict(self.canary_jobs),
            "holding_seconds": self.holding_seconds,
            "declared_by": self.declared_by,
            "reason": self.reason,
        }
        return {"step": step, "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> AnsweredStep:
        """Read the answer; raises ValueError if it is none."""
        return _STEP.validate_python(body)


@dataclass(frozen=True, slots=True)
class DecideRolloutStep(Call[AnsweredStep]):
    """Decide a step; the first decision stays. `evidence` is the hash of what `KeepRolloutEvidence` kept."""

    function: ClassVar[str] = "decide_rollout_step_v1"
    mutates: ClassVar[bool] = True

    step_id: int
    verdict: StepVerdict
    evidence: str
    decided_by: str
    mismatch_rate: float | None = None

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        decision: dict[str, Json] = {
            "step_id": self.step_id,
            "verdict": self.verdict,
            "evidence": self.evidence,
            "decided_by": self.decided_by,
            "mismatch_rate": self.mismatch_rate,
        }
        return {"decision": decision, "contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> AnsweredStep:
        """Read the answer; raises ValueError if it is none."""
        return _STEP.validate_python(body)


@dataclass(frozen=True, slots=True)
class BegunStep:
    """With which change of its share the present step of a flag began, whether it was declared or not."""

    flag_name: str
    flag_version: int
    began_at: datetime


@dataclass(frozen=True, slots=True)
class RolloutSteps:
    """The present steps of all flags, and those that were declared, latest first; all at one moment."""

    read_at: datetime
    begun: tuple[BegunStep, ...]
    steps: tuple[RolloutStep, ...]


_STEPS = ReplyType(RolloutSteps)


@dataclass(frozen=True, slots=True)
class ListRolloutSteps(Call[RolloutSteps]):
    """List the steps of all flags, latest first; `before_id` is the last one of the page before."""

    function: ClassVar[str] = "list_rollout_steps_v1"
    mutates: ClassVar[bool] = False

    before_id: int | None = None
    page_size: int = 1000

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "before_id": self.before_id,
            "page_size": self.page_size,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> RolloutSteps:
        """Read the answer; raises ValueError if it is none."""
        return _STEPS.validate_python(body)
