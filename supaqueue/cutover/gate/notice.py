"""What owners are told of a change of a flag: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from supaqueue.contract import LoggedFlagChange, RolloutNotice
from supaqueue.telemetry.events import RolloutChanged

SCHEMA = "supaqueue.notice/1"
"""Grows when something is renamed or taken away; what is added leaves it as it is."""
SHOWN = ("stage", "is_enabled", "rollout_percent", "holdback_percent", "hand_back", "latched_at")

Kind = Literal["rolled_back", "halted", "cleared", "raised", "lowered", "changed"]


def kind_of(change: LoggedFlagChange) -> Kind:
    """Return what a change was, by what it did.

    `rolled_back`: latched at a share of 0; `halted`: latched where it stood, for want of a living legacy
    queue; `cleared`: the latch was taken off.
    """
    before, after = _row(change.before), _row(change.after)
    was, now = _share(before), _share(after)
    if after.get("latched_at") and (not before.get("latched_at") or now < was):
        return "halted" if now else "rolled_back"
    if before.get("latched_at") and not after.get("latched_at"):
        return "cleared"
    return "raised" if now > was else "lowered" if now < was else "changed"


def content_of(notice: RolloutNotice) -> dict[str, Any]:
    """Return a notice as the webhook gets it; its schema is in `docs/gates.md`."""
    change = notice.change
    return {
        "schema": SCHEMA,
        "notice_id": notice.notice_id,
        "kind": kind_of(change),
        "flag_name": change.flag_name,
        "version": change.version,
        "changed_at": change.changed_at.isoformat(),
        "changed_by": change.changed_by or f"{change.session_by} (by SQL)",
        "reason": change.reason,
        "evidence": change.evidence,
        "before": _shown(_row(change.before)),
        "after": _shown(_row(change.after)),
        "text": text_of(change),
    }


def event_of(notice: RolloutNotice) -> RolloutChanged:
    """Return a notice as telemetry gets it."""
    change = notice.change
    return RolloutChanged(
        flag_name=change.flag_name,
        kind=kind_of(change),
        version=change.version,
        percent_before=_share(_row(change.before)),
        percent=_share(_row(change.after)),
        changed_by=change.changed_by or change.session_by,
        reason=change.reason,
        evidence=change.evidence,
    )


def text_of(change: LoggedFlagChange) -> str:
    """Return a change as one line."""
    was, now = _share(_row(change.before)), _share(_row(change.after))
    by = change.changed_by or f"{change.session_by} (by SQL)"
    why = f": {change.reason}" if change.reason else ""
    kind = kind_of(change).replace("_", " ")
    return f"{change.flag_name} {kind}, {was:g} to {now:g} percent, by {by}{why}"


def _row(row: object) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], row) if isinstance(row, Mapping) else {}


def _share(row: Mapping[str, Any]) -> float:
    return float(row.get("rollout_percent") or 0.0) if row.get("is_enabled") else 0.0


def _shown(row: Mapping[str, Any]) -> dict[str, Any] | None:
    return {name: row.get(name) for name in SHOWN} if row else None
