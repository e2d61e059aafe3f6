"""The stages of a cutover, and which may follow which."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """Where a cutover stands; the order is the way forward. `supaqueue.cutover.plan` has what each does."""

    OFF = "off"
    MIRROR = "mirror"
    SHADOW = "shadow"
    CANARY = "canary"
    LIVE = "live"
    COMPLETE = "complete"


ALLOWED_STEPS = frozenset(
    (
        (Stage.OFF, Stage.MIRROR),
        (Stage.MIRROR, Stage.OFF),
        (Stage.MIRROR, Stage.SHADOW),
        (Stage.MIRROR, Stage.CANARY),
        (Stage.SHADOW, Stage.MIRROR),
        (Stage.SHADOW, Stage.CANARY),
        (Stage.CANARY, Stage.MIRROR),
        (Stage.CANARY, Stage.SHADOW),
        (Stage.CANARY, Stage.LIVE),
        (Stage.LIVE, Stage.CANARY),
        (Stage.LIVE, Stage.COMPLETE),
        (Stage.COMPLETE, Stage.LIVE),
        (Stage.COMPLETE, Stage.OFF),  # a cutover begins
    )
)
"""From, to. The same table is in SQL, in supaqueue_stage_step_allowed, which also takes no step for one."""
