"""Flags as the tests of the cutover need them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from supaqueue.contract.feature_flag import FeatureFlag, FeatureFlags

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)


def flag(stage: str = "canary", percent: object = 50, **given: Any) -> FeatureFlag:
    """A flag, enabled where its stage is, without holdback, lists or latch."""
    options: dict[str, Any] = {
        "flag_name": "supabase_queue",
        "task_type": None,
        "is_enabled": stage in ("canary", "live", "complete"),
        "holdback_percent": Decimal(0),
        "shadow_percent": Decimal(0),
        "by_environment": False,
        "routes_by_tenant": False,
        "relays_unrouted": False,
        "supabase_tenants": (),
        "legacy_tenants": (),
        "hand_back": "none",
        "drain": False,
        "raised_at": None,
        "latched_at": None,
        "latch_reason": None,
        "version": 1,
        "updated_by": None,
        "updated_at": MOMENT,
        "reason": None,
        "evidence": None,
    }
    return FeatureFlag(stage=stage, rollout_percent=Decimal(str(percent)), **options | given)  # type: ignore[arg-type]


def flags(overall: FeatureFlag | None = None, *types: FeatureFlag, at: datetime = MOMENT) -> FeatureFlags:
    """All flags, as they were read at a moment."""
    return FeatureFlags(overall or flag(), types, "salt", at)
