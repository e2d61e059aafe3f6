"""Going on until SIGTERM or SIGINT."""

from __future__ import annotations

import math
import select
import signal
import socket
import time
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGTERM, signal.SIGINT)
LONGEST_WAIT = 3600.0
"""Seconds; what select takes is limited."""


class Told(Exception):
    """A signal came, and what was under way is given up."""


class UntilTold:
    """Takes note of signals inside the block, in the main thread; a second one does as it did before.

    The handler only takes note, and a byte ends the wait: a handler may come while any lock is held.
    """

    def __enter__(self) -> Self:
        self._told = False
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)
        self._former_wake = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        self._former: dict[signal.Signals, Any] = {one: signal.signal(one, self._note) for one in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._as_before()
        signal.set_wakeup_fd(self._former_wake)
        self._wake.close()
        self._woken.close()

    def wait(self, seconds: float = math.inf) -> bool:
        """Wait so long, or until a signal comes; True if one has come."""
        deadline = time.monotonic() + seconds
        while not self._told and (left := deadline - time.monotonic()) > 0:
            if select.select([self._woken], [], [], min(left, LONGEST_WAIT))[0]:
                self._woken.recv(4096)  # another signal's, perhaps
        return self._told

    def go_on(self, *_: object) -> None:
        """Do nothing, unless a signal has come.

        Raises:
            Told: one has.
        """
        if self._told:
            raise Told

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._told = True
        self._as_before()

    def _as_before(self) -> None:
        for one, former in self._former.items():
            signal.signal(one, former)
