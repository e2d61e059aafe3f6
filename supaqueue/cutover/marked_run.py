"""One run of a handler in a legacy worker: holds the run marker while it lasts, and records its end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Literal, Self, TypeVar

from supaqueue.contract.json_value import storable_json
from supaqueue.cutover.errors import LegacyUnavailable
from supaqueue.cutover.legacy.entry import Ending
from supaqueue.cutover.legacy.first_failures import free_failed
from supaqueue.cutover.legacy.index import Index
from supaqueue.cutover.repeated_run import repeat_soon
from supaqueue.cutover.stamp import Stamp

_log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
RunStop = Literal["cancel", "lost"]
RunEnd = Literal["recorded", "lost", "unknown"]

RETRY_SECONDS = 0.5


def within_budget(seconds: float, call: Callable[[], Answer]) -> Answer:
    """Make a call that may be repeated, again and again until it is answered or the time is up.

    Raises:
        LegacyUnavailable: the last of them.
    """
    give_up_at = time.monotonic() + seconds
    while True:
        try:
            return call()
        except LegacyUnavailable:
            if time.monotonic() + RETRY_SECONDS > give_up_at:
                raise
        time.sleep(RETRY_SECONDS)


class MarkedRun:
    """The right to run one message's handler, renewed by a thread of its own from `with` until its end.

    A run that is told of no end within `with` is freed there.

    Args:
        stamp: None for a message without one: then there is no marker, and its end is recorded nowhere.
        is_repeated: whether a handler that can run without effects is to run once more after its end.
    """

    def __init__(
        self,
        index: Index,
        stamp: Stamp | None,
        runner: str,
        lease_seconds: float,
        budget_seconds: float = 0.0,
        *,
        is_repeated: bool = False,
    ) -> None:
        self.stamp = stamp
        self.runner = runner
        self.lease_seconds = lease_seconds
        self.is_repeated = is_repeated and stamp is not None
        self._index = index
        self._budget_seconds = budget_seconds
        self._lock = threading.Lock()
        self._stop: RunStop | None = None
        self._told: list[Callable[[RunStop], None]] = []
        self._ended = threading.Event()
        self._began: float | None = None
        self._again: Callable[[], Ending | None] | None = None

    @property
    def stop(self) -> RunStop | None:
        """Why the handler is to stop: `cancel`, or `lost`: the job is another runner's by now."""
        return self._stop

    @property
    def cancelled(self) -> bool:
        """Whether the handler is to stop."""
        return self._stop is not None

    @property
    def seconds(self) -> float | None:
        """How long it has run since it was entered, by this process's clock; None if it was not."""
        return None if self._began is None else time.monotonic() - self._began

    def on_stop(self, tell: Callable[[RunStop], None]) -> None:
        """Call `tell` once there is a reason to stop, in the renewing thread; at once if there is one."""
        with self._lock:
            self._told.append(tell)
            stop = self._stop
        if stop is not None:
            tell(stop)

    def finish(self, ending: Ending) -> RunEnd:
        """Record how the job ended, and how long this run took, if it was entered.

        Returns:
            `recorded`: the message can go. `lost`: another runner took over, and this end counts for nothing;
            `unknown`: the index gave no answer. After both the message is to be held, not dropped.
        """
        self._ended.set()
        if self.stamp is None:
            return "recorded"
        stamp, timed = self.stamp, self._timed(ending)
        try:
            end = within_budget(self._budget_seconds, lambda: self._index.finish(stamp, self.runner, timed))
        except LegacyUnavailable as failed:
            _log.error("the end of job %s is not recorded, it will run again: %s", stamp.job_id, failed)
            return "unknown"
        if end == "recorded" and self._again is not None:
            repeat_soon(self._index, stamp, self._again)
        return end

    def repeat(self, run: Callable[[], Ending | None]) -> None:
        """Let `run` be called once this run's end is recorded; see `supaqueue.cutover.repeated_run`."""
        self._again = run

    def free(self, *, has_failed: bool = False) -> None:
        """Give the marker back: an attempt ended, and the broker will try again.

        Args:
            has_failed: whether that attempt failed; not so if it was snoozed, or never really began.
        """
        self._ended.set()
        if self.stamp is None:
            return
        stamp, free = self.stamp, free_failed(self._index) if has_failed else self._index.free
        try:
            within_budget(self._budget_seconds, lambda: free(stamp, self.runner))
        except LegacyUnavailable as failed:
            _log.warning("the run marker of job %s is left to expire: %s", stamp.job_id, failed)

    def _timed(self, ending: Ending) -> Ending:
        seconds = self.seconds if ending.seconds is None else ending.seconds
        return replace(ending, seconds=seconds, error=storable_json(ending.error))

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        if self.stamp is not None:
            name = f"supaqueue-marker-{self.stamp.job_id}"
            threading.Thread(target=self._renew, args=(self.stamp,), name=name, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._ended.is_set():
            self.free()

    def _renew(self, stamp: Stamp) -> None:
        third = self.lease_seconds / 3
        wait = third
        while not self._ended.wait(wait):
            try:
                answer = self._index.renew(stamp, self.runner, self.lease_seconds)
            except Exception as failed:
                # Expiry alone takes nothing away: whether another runner came is for a later answer to tell.
                _log.warning("the run marker of job %s is not renewed: %s", stamp.job_id, failed)
                wait = min(RETRY_SECONDS, third)
                continue
            wait = third
            if answer != "held" and not self._ended.is_set():
                self._tell(answer)
            if answer == "lost":
                return

    def _tell(self, stop: RunStop) -> None:
        with self._lock:
            if self._stop == stop:
                return
            self._stop = stop
            told = list(self._told)
        _log.warning("job %s is to stop: %s", self.stamp and self.stamp.job_id, stop)
        for tell in told:
            tell(stop)
