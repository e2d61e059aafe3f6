"""One stage of the demo's cutover as it went."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from supaqueue.contract import FeatureFlag
from supaqueue.cutover.relayed import Relayed


@dataclass(slots=True)
class StageRun:
    """What the flag gave to Supabase, and what the relay did meanwhile.

    Attributes:
        probability: with which Supabase owns a new job, from 0 to 1.
    """

    name: str
    percent: Decimal
    probability: float
    relayed: Relayed


def probability_of(flag: FeatureFlag) -> float:
    """Return with which probability Supabase owns a new job, by the flag."""
    if flag.stage == "complete":
        return 1.0
    if not flag.is_enabled:
        return 0.0
    return float(min(flag.rollout_percent, 100 - flag.holdback_percent)) / 100
