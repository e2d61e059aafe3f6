"""Changing a flag, and reading who changed it when."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, TypedDict, cast

from pydantic import SkipValidation

from supaqueue.contract.call import CONTRACT_VERSION, Call
from supaqueue.contract.feature_flag import FeatureFlag, HandBack, Stage
from supaqueue.contract.json_value import Json
from supaqueue.contract.reply_type import ReplyType


class FlagChange(TypedDict, total=False):
    """What may be changed; `FeatureFlag` says what each means. `latched` sets or clears the latch."""

    stage: Stage
    is_enabled: bool
    rollout_percent: Decimal
    holdback_percent: Decimal
    shadow_percent: Decimal
    by_environment: bool
    routes_by_tenant: bool
    relays_unrouted: bool
    supabase_tenants: tuple[str, ...]
    legacy_tenants: tuple[str, ...]
    hand_back: HandBack
    drain: bool
    latched: bool


_FLAG = ReplyType(FeatureFlag)


@dataclass(frozen=True, slots=True)
class ChangeFeatureFlag(Call[FeatureFlag]):
    """Change the overall flag, or with `task_type` that type's own; answers it as it stands then.

    With `expected_version` only if it stands at that version. Repeatable by `request_id`.
    """

    function: ClassVar[str] = "change_feature_flag_v1"
    mutates: ClassVar[bool] = True

    changes: FlagChange
    changed_by: str
    task_type: str | None = None
    expected_version: int | None = None
    reason: str | None = None
    evidence: str | None = None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "request_id": self.request_id,
            "task_type": self.task_type,
            "changes": {name: _as_json(value) for name, value in self.changes.items()},
            "expected_version": self.expected_version,
            "changed_by": self.changed_by,
            "reason": self.reason,
            "evidence": self.evidence,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> FeatureFlag:
        """Read the answer; raises ValueError if it is none."""
        return _FLAG.validate_python(body)


@dataclass(frozen=True, slots=True)
class LoggedFlagChange:
    """One change of a flag: the row before and after it, None where there was none."""

    change_id: int
    flag_name: str
    version: int
    changed_at: datetime
    changed_by: str | None
    session_by: str
    reason: str | None
    evidence: str | None
    before: SkipValidation[Json]
    after: SkipValidation[Json]


_CHANGES = ReplyType(tuple[LoggedFlagChange, ...])


@dataclass(frozen=True, slots=True)
class ListFlagChanges(Call[tuple[LoggedFlagChange, ...]]):
    """List every change of the flags, latest first; `before_id` is the last one of the page before."""

    function: ClassVar[str] = "list_flag_changes_v1"
    mutates: ClassVar[bool] = False

    before_id: int | None = None
    page_size: int = 100

    def arguments(self) -> dict[str, Json]:
        """Return the function's arguments by name."""
        return {
            "before_id": self.before_id,
            "page_size": self.page_size,
            "contract_version": CONTRACT_VERSION,
        }

    def parse(self, body: Json) -> tuple[LoggedFlagChange, ...]:
        """Read the answer; raises ValueError if it is none."""
        return _CHANGES.validate_python(body)


def _as_json(value: object) -> Json:
    if isinstance(value, Decimal):
        # Percents have two decimals, which a float carries exactly to numeric and back.
        return float(value)
    if isinstance(value, tuple):
        return list(value)
    return cast(Json, value)
