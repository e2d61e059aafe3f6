"""Ends a run when its attempt's timeout or its task's deadline comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from supaqueue.worker.leases import Held, Stop

OBEY_SECONDS = 2.0
"""How long a handler whose time is up may clean up before its end is reported without it."""


class TimeLimit:
    """Interrupts a run at its limit, and gives up on it if it does not end then. Event loop's thread only.

    Args:
        held: the task; its run begins now.
        abandon: told of a handler that goes on: the task, why it was told to stop, the seconds it has run.
    """

    def __init__(self, held: Held, abandon: Callable[[Held, Stop, float], None]) -> None:
        self._held = held
        self._abandon = abandon
        self._begun = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        limit = held.time_left()
        if limit is not None:
            self._timer = asyncio.get_running_loop().call_later(limit[0], self._interrupt, limit[1])

    def lift(self) -> None:
        """Lets the run be: it has ended."""
        if self._timer is not None:
            self._timer.cancel()

    def _interrupt(self, reason: Stop) -> None:
        # Something else may have told it to stop before: that reason stands.
        self._held.interrupt(reason)
        self._timer = asyncio.get_running_loop().call_later(OBEY_SECONDS, self._give_up)

    def _give_up(self) -> None:
        stop = self._held.stop
        if stop in (Stop.TIMED_OUT, Stop.DEADLINE) and not self._held.ended:
            self._abandon(self._held, stop, time.monotonic() - self._begun)
