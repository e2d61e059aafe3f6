"""Since when jobs are in both systems."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from supaqueue.contract import Json, ListFlagChanges, LoggedFlagChange
from supaqueue.transport import Transport

KNOWN_SECONDS = 5.0
"""After which every process that can ask for the flag knows of a change; see `Rollout`."""
PAGE = 100


def dual_write_began(transport: Transport, since: datetime) -> datetime | None:
    """Return from when on all jobs are in both systems, if the overall flag says it began after `since`.

    Raises:
        CallError: Supabase gave no usable answer.
    """
    for change in _changes(transport, since):
        is_overall = ":" not in change.flag_name
        if is_overall and _stage(change.before) == "off" and _stage(change.after) not in ("off", None):
            return change.changed_at + timedelta(seconds=KNOWN_SECONDS)
    return None


def _changes(transport: Transport, since: datetime) -> Iterator[LoggedFlagChange]:
    """The changes of flags since then, the latest first."""
    page = transport.send(ListFlagChanges(page_size=PAGE))
    while page:
        yield from (change for change in page if change.changed_at >= since)
        if page[-1].changed_at < since:
            return
        page = transport.send(ListFlagChanges(before_id=page[-1].change_id, page_size=PAGE))


def _stage(row: Json) -> Json:
    return row.get("stage") if isinstance(row, dict) else None
