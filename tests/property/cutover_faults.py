"""A transport that loses answers, delays calls until after later ones, and refuses."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from supaqueue.contract import Call
from supaqueue.errors import QueueUnavailable
from supaqueue.transport import Transport

Reply = TypeVar("Reply")
Fault = Literal["none", "lost", "delayed", "refused"]
"""lost: it took effect, the answer is lost; delayed: it takes effect later, if ever; refused: it has none."""


class FaultyTransport:
    """Carries calls to another transport; the next mutating ones meet the faults that were set.

    While it `is_cut_off`, none gets there.
    """

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.faults: list[Fault] = []
        self.delayed: list[Call[Any]] = []
        self.is_cut_off = False

    def send(self, call: Call[Reply]) -> Reply:
        """Make the call, or meet its fault."""
        if self.is_cut_off:
            raise _unavailable(call, "no")
        fault = self.faults.pop(0) if self.faults and call.mutates else "none"
        if fault == "refused":
            raise _unavailable(call, "no")
        if fault == "delayed":
            self.delayed.append(call)
            raise _unavailable(call, "unknown")
        reply = self._inner.send(call)
        if fault == "lost":
            raise _unavailable(call, "unknown")
        return reply

    def deliver(self, place: int) -> None:
        """Let a delayed call take effect; its answer reaches nobody."""
        self._inner.send(self.delayed.pop(place))

    def close(self) -> None: ...


def _unavailable(call: Call[Any], committed: Literal["no", "unknown"]) -> QueueUnavailable:
    return QueueUnavailable("no answer", call=call.function, committed=committed, retryable=True)
