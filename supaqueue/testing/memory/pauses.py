"""Pausing queues, and resuming them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from supaqueue.testing.memory.changes import begin_change, check_changed_by, check_request_id
from supaqueue.testing.memory.checks import check_call, check_number, check_range
from supaqueue.testing.memory.moment import is_moment, read_moment, written
from supaqueue.testing.memory.refused import Refused, invalid
from supaqueue.testing.memory.tables import PauseRow, Row, Tables

LONGEST_PAUSE_SECONDS = 3_153_600_000
UNTIL_RESUMED = datetime.max.replace(tzinfo=UTC)


def pause_queues_v1(
    tables: Tables,
    request_id: Any,
    queues: Any,
    pause_seconds: Any,
    paused_until: Any,
    reason: Any,
    changed_by: Any,
    contract_version: Any,
) -> list[Row]:
    """Pause queues for so many seconds, until a time, or until they are resumed."""
    check_call(contract_version)
    until = _until(tables, pause_seconds, paused_until)
    request = _check(request_id, queues, pause_seconds, paused_until, reason, changed_by)
    if begin_change(tables, request):
        for queue in queues:
            tables.pauses[queue] = PauseRow(until, changed_by, reason)
    return [pause_row(tables, queue) for queue in queues]


def resume_queues_v1(
    tables: Tables, request_id: Any, queues: Any, changed_by: Any, contract_version: Any
) -> list[Row]:
    """End the pause of queues."""
    check_call(contract_version)
    request = _check(request_id, queues, None, None, None, changed_by)
    if begin_change(tables, request):
        for queue in queues:
            tables.pauses.pop(queue, None)
    return [pause_row(tables, queue) for queue in queues]


def is_paused(tables: Tables, queue: str) -> bool:
    """Whether nothing is leased from a queue for now."""
    return queue in tables.pauses and tables.pauses[queue].until > tables.now


def pause_row(tables: Tables, queue: str) -> Row:
    """Return a queue and its pause as readers see them."""
    pause = tables.pauses.get(queue)
    finite = pause is not None and pause.until < UNTIL_RESUMED
    return {
        "queue": queue,
        "paused": is_paused(tables, queue),
        "paused_until": written(pause.until) if pause and finite else None,
        "paused_by": pause.changed_by if pause else None,
        "reason": pause.reason if pause else None,
    }


def _until(tables: Tables, pause_seconds: Any, paused_until: Any) -> datetime:
    if paused_until is not None:
        if not is_moment(paused_until):
            raise Refused("22007", "invalid input syntax for type timestamp with time zone")
        return read_moment(paused_until)
    check_number("pause_seconds", pause_seconds)
    if pause_seconds is None or not 0 <= pause_seconds <= LONGEST_PAUSE_SECONDS:
        return UNTIL_RESUMED
    return tables.now + timedelta(seconds=pause_seconds)


def _check(
    request_id: Any, queues: Any, pause_seconds: Any, paused_until: Any, reason: Any, changed_by: Any
) -> str:
    request = check_request_id(request_id)
    if not 1 <= len(queues or ()) <= 1000 or not all(1 <= len(queue or "") <= 200 for queue in queues):
        raise invalid("queues: expected 1 to 1000 names of 1 to 200 characters")
    if pause_seconds is not None:
        check_range(
            "pause_seconds", pause_seconds, 0.001, LONGEST_PAUSE_SECONDS, "0.001 to 3153600000, or null"
        )
    if pause_seconds is not None and paused_until is not None:
        raise invalid("paused_until: expected none together with pause_seconds")
    if len(reason or "") > 1000:
        raise invalid("reason: expected at most 1000 characters")
    check_changed_by(changed_by)
    return request
