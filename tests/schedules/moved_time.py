"""The database's time, told otherwise: all that a scheduler knows of time is the `now` of its listing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from supaqueue.contract import Call, Schedules
from supaqueue.transport import Transport


class MovedTime:
    """A transport whose listings of schedules say that it is `now()`. It must not be later than it is."""

    def __init__(self, transport: Transport, now: Callable[[], datetime]) -> None:
        self._transport = transport
        self._now = now

    def send(self, call: Call[Any]) -> Any:
        """Make the call."""
        reply = self._transport.send(call)
        return replace(reply, now=self._now()) if isinstance(reply, Schedules) else reply

    def close(self) -> None:
        """Close what is inside."""
        self._transport.close()
