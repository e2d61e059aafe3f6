"""Points in time as JSON has them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)", re.ASCII)


def read_moment(text: str) -> datetime:
    """Return the moment that a text names, in UTC.

    Raises:
        ValueError: it names none.
    """
    if not _MOMENT.fullmatch(text):
        raise ValueError("no moment")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError:
        raise ValueError("no moment that Python has") from None


def is_moment(text: str | None) -> bool:
    """Whether a text names a moment; None passes."""
    try:
        return text is None or read_moment(text) is not None
    except ValueError:
        return False


def written(moment: datetime | None) -> str | None:
    """Return a moment as JSON."""
    return moment.isoformat() if moment else None
