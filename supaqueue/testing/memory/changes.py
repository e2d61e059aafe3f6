"""What operators change, once per request."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from supaqueue.testing.memory.checks import read_uuid
from supaqueue.testing.memory.refused import invalid
from supaqueue.testing.memory.tables import Tables

CHANGE_KEPT = timedelta(days=90)


def begin_change(tables: Tables, request_id: str) -> bool:
    """Record a request; False if it was recorded before, and so changes nothing."""
    if request_id in tables.changes:
        return False
    tables.changes[request_id] = tables.now
    return True


def forget_changes(tables: Tables) -> None:
    """Forget requests that are too old to be repeated."""
    for request_id in [each for each, at in tables.changes.items() if at < tables.now - CHANGE_KEPT]:
        del tables.changes[request_id]
        tables.released.pop(request_id, None)


def check_request_id(request_id: Any) -> str:
    """Return the id of a request; refuse what is none."""
    if request_id is None:
        raise invalid("request_id: expected a UUID")
    return read_uuid(request_id)


def check_changed_by(changed_by: Any) -> None:
    """Refuse too long a name."""
    if len(changed_by or "") > 200:
        raise invalid("changed_by: expected at most 200 characters")
