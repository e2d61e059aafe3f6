"""What a Celery message says of its job: the stamp among its headers, the payload in its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from supaqueue.contract import Json
from supaqueue.cutover.stamp import Stamp
from supaqueue.errors import InvalidInput

HEADER = "supaqueue"


def stamp_of(headers: Any) -> Stamp | None:
    """Return the stamp among a message's headers; None if it has none, or something else of that name.

    Raises:
        StampTooNew: a newer version wrote it.
    """
    given: Json = headers.get(HEADER) if isinstance(headers, dict) else None
    try:
        return None if given is None else Stamp.from_json(given)
    except InvalidInput:
        return None


def payload_of(args: Sequence[Any], kwargs: dict[str, Any]) -> Json:
    """Return arguments as the payload that they were made of; those of a foreign call as both."""
    if len(args) == 1 and not kwargs:
        payload: Json = args[0]
        return payload
    return {"args": list(args), "kwargs": kwargs} if args else kwargs
