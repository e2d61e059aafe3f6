"""Points in time that a caller gives."""

from __future__ import annotations

from datetime import UTC, datetime

from supaqueue.errors import InvalidInput


def check_time(moment: object, *, field: str) -> datetime | None:
    """Return an aware time in UTC, so that equal times are written alike; None stays None.

    Raises:
        InvalidInput: it is no time, or has no zone.
    """
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        raise InvalidInput(f"must be a datetime, not {type(moment).__name__}", field=field)
    if moment.utcoffset() is None:
        raise InvalidInput("has no time zone: use datetime.now(UTC) or .astimezone()", field=field)
    return moment.astimezone(UTC)


def check_span(since: object, until: object) -> None:
    """Refuse a time that does not end after it began.

    Raises:
        InvalidInput: one of them is no time or has no zone, or `since` is the later one.
    """
    begin, end = check_time(since, field="since"), check_time(until, field="until")
    if begin is not None and end is not None and begin > end:
        raise InvalidInput("must not lie after until", field="since")
