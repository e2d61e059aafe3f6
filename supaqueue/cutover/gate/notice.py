"""What owners are told of a change of a flag, and of looks that fail: pure.

People's own words are redacted here, whoever is told: a reason may hold the key that somebody just tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, cast

from supaqueue.contract import LoggedFlagChange, RolloutNotice
from supaqueue.telemetry.events import RolloutChanged
from supaqueue.telemetry.redaction import redact

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
        "changed_by": _by(change),
        "reason": _redacted(change.reason),
        "evidence": _redacted(change.evidence),
        "before": _shown(_row(change.before)),
        "after": _shown(_row(change.after)),
        "text": text_of(change),
    }


def looks_failing_content(notice_id: str, watch: str, since: datetime, error_type: str) -> dict[str, Any]:
    """Return what the webhook gets once the looks of a watch have failed for a while."""
    return _of_looks(notice_id, "looks_failing", watch, since) | {
        "error_type": error_type,
        "text": f"the looks of {watch} have failed since {since:%Y-%m-%d %H:%M:%S} UTC ({error_type}):"
        " unless another watch looks, nothing takes the rollout back",
    }


def looks_recovered_content(notice_id: str, watch: str, since: datetime, seconds: float) -> dict[str, Any]:
    """Return what the webhook gets when they go well again."""
    return _of_looks(notice_id, "looks_recovered", watch, since) | {
        "text": f"the looks of {watch} go well again, after {seconds:.0f} s",
    }


def _of_looks(notice_id: str, kind: str, watch: str, since: datetime) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "notice_id": notice_id,
        "kind": kind,
        "watch": watch,
        "failing_since": since.isoformat(),
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
        changed_by=redact(change.changed_by or change.session_by),
        reason=_redacted(change.reason),
        evidence=_redacted(change.evidence),
    )


def text_of(change: LoggedFlagChange) -> str:
    """Return a change as one line."""
    was, now = _share(_row(change.before)), _share(_row(change.after))
    why = f": {redact(change.reason)}" if change.reason else ""
    kind = kind_of(change).replace("_", " ")
    return f"{change.flag_name} {kind}, {was:g} to {now:g} percent, by {_by(change)}{why}"


def _by(change: LoggedFlagChange) -> str:
    return redact(change.changed_by or f"{change.session_by} (by SQL)")


def _redacted(text: str | None) -> str | None:
    return None if text is None else redact(text)


def _row(row: object) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], row) if isinstance(row, Mapping) else {}


def _share(row: Mapping[str, Any]) -> float:
    return float(row.get("rollout_percent") or 0.0) if row.get("is_enabled") else 0.0


def _shown(row: Mapping[str, Any]) -> dict[str, Any] | None:
    return {name: row.get(name) for name in SHOWN} if row else None
