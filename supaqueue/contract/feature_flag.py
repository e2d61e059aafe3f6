"""The switch of a cutover: one row overall, and one for each task type that has its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType

Stage = Literal["off", "mirror", "shadow", "canary", "live", "complete"]
HandBack = Literal["none", "not_started", "all"]
Percent = Annotated[Decimal, BeforeValidator(str)]
"""0 to 100, in steps of 0.01; exact, so that 0.07 percent is seven buckets of 10,000."""


@dataclass(frozen=True, slots=True)
class FeatureFlag:
    """A row of feature_flag, as it stands.

    Attributes:
        task_type: whose it is; None for the overall one.
        is_enabled: whether anything is claimed.
        rollout_percent: the share of buckets whose new jobs Supabase owns.
        holdback_percent: the share that stays with legacy at 100 percent, as a control group.
        shadow_percent: the share of which a copy also runs here without effects.
        by_environment: the environment's variables steer; the flag can only lower them.
        routes_by_tenant: a job's bucket is its tenant's.
        relays_unrouted: jobs that come without an owner may become legacy's: a relay takes them there.
        hand_back: what goes back to legacy: nothing, what has not started, or all that waits.
        drain: of what has started here, claims still take what waits, also while disabled.
        raised_at: when the percent was above 0 for the first time; None if it never was.
        latched_at: since when it can only be lowered; None if it can be raised.
    """

    flag_name: str
    task_type: str | None
    stage: Stage
    is_enabled: bool
    rollout_percent: Percent
    holdback_percent: Percent
    shadow_percent: Percent
    by_environment: bool
    routes_by_tenant: bool
    relays_unrouted: bool
    supabase_tenants: tuple[str, ...]
    legacy_tenants: tuple[str, ...]
    hand_back: HandBack
    drain: bool
    raised_at: datetime | None
    latched_at: datetime | None
    latch_reason: str | None
    version: int
    updated_by: str | None
    updated_at: datetime
    reason: str | None
    evidence: str | None


@dataclass(frozen=True, slots=True)
class FeatureFlags:
    """All flags at one moment of the database's clock, and the salt of buckets that follow from a key."""

    overall: FeatureFlag
    types: tuple[FeatureFlag, ...]
    salt: str
    read_at: datetime

    def of(self, task_type: str) -> FeatureFlag | None:
        """Return the flag that a type has of its own, if it has one."""
        return next((flag for flag in self.types if flag.task_type == task_type), None)


_FLAGS = ReplyType(FeatureFlags)


@dataclass(frozen=True, slots=True)
class ReadFeatureFlags(Call[FeatureFlags]):
    """Read all flags."""

    function: ClassVar[str] = "read_feature_flags_v1"
    mutates: ClassVar[bool] = False

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {"contract_version": CONTRACT_VERSION}

    def parse(self, body: Json) -> FeatureFlags:
        """Read the answer; raises ValueError if it is none."""
        return read_flags(body)


def read_flags(body: Json) -> FeatureFlags:
    """Read flags from JSON, for example from a copy kept on disk.

    Raises:
        ValueError: they are none.
    """
    return _FLAGS.validate_python(body)


def flags_json(flags: FeatureFlags) -> Json:
    """Return flags as JSON that `read_flags` reads."""
    return _FLAGS.as_json(flags)
