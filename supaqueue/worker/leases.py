"""The tasks that this worker holds; shared between the event loop and the heartbeat thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from supaqueue.contract import ClaimedTask, TaskRef
from supaqueue.worker.context import Context
from supaqueue.worker.progress_report import ProgressReport


class Stop(Enum):
    """Why a run is to end before its handler does."""

    LEASE_LOST = "lease_lost"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    DEADLINE = "deadline"
    SHUTDOWN = "shutdown"


@dataclass(slots=True, eq=False)
class Held:
    """One leased task: waiting for a slot, then inside its handler.

    `left_running` is set where the handler does not end although it was told to, and is waited for no more.
    """

    task: ClaimedTask
    context: Context
    run: asyncio.Task[Any] | None = None
    stop: Stop | None = None
    ended: bool = False
    left_running: bool = False
    taken_at: float = field(default_factory=time.monotonic)

    @property
    def report(self) -> ProgressReport:
        """The progress of its run."""
        return self.context.report

    @property
    def counts(self) -> bool:
        """Whether it is a run of the job: shadows and probes are not counted."""
        return self.task.purpose == "run"

    def time_left(self) -> tuple[float, Stop] | None:
        """Seconds that a run which begins now may take, and why no more; None if as long as it likes."""
        limits: list[tuple[float, Stop]] = []
        if self.task.timeout_seconds is not None:
            limits.append((self.task.timeout_seconds, Stop.TIMED_OUT))
        if self.task.deadline_in_seconds is not None:
            waited = time.monotonic() - self.taken_at
            limits.append((self.task.deadline_in_seconds - waited, Stop.DEADLINE))
        return min(limits, key=lambda limit: limit[0], default=None)

    def interrupt(self, reason: Stop) -> None:
        """Ends the run as far as possible: cancels an async handler, tells a sync one. Loop thread only."""
        told_before, self.stop = self.stop, self.stop or reason
        if reason is Stop.LEASE_LOST:
            self.stop = reason  # whatever was to be reported is now another worker's to report
        if told_before is None:
            self.context.cancel()
            if self.run is not None:
                self.run.cancel()

    def let_go(self) -> None:
        """Gives up on a handler that goes on in its thread, told to stop and all. Loop thread only."""
        self.left_running = True
        if self.run is not None:
            self.run.cancel()


class Leases:
    """Held tasks by reference, and the starts that no call has reported yet. Every method is thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[TaskRef, Held] = {}
        self._starts: set[TaskRef] = set()
        self._renewed_at = time.monotonic()

    def renewed(self) -> None:
        """Called once a heartbeat was answered."""
        self._renewed_at = time.monotonic()

    def seconds_since_renewal(self) -> float:
        """Seconds since the last heartbeat that was answered."""
        return time.monotonic() - self._renewed_at

    def add(self, held: Held) -> None:
        """Holds a task from now on."""
        with self._lock:
            self._held[held.task.ref] = held

    def remove(self, ref: TaskRef) -> None:
        """Forgets a task: its end has been reported, or its lease is another's."""
        with self._lock:
            self._held.pop(ref, None)
            self._starts.discard(ref)

    def get(self, ref: TaskRef) -> Held | None:
        """The held task, or None."""
        return self._held.get(ref)

    def all(self) -> list[Held]:
        """Every held task, in the order they were claimed."""
        with self._lock:
            return list(self._held.values())

    def started(self, ref: TaskRef) -> None:
        """Notes that a handler began; the next call reports it."""
        with self._lock:
            self._starts.add(ref)

    def unreported_starts(self) -> tuple[TaskRef, ...]:
        """Starts that the next call carries."""
        with self._lock:
            return tuple(self._starts)

    def starts_reported(self, refs: Collection[TaskRef]) -> None:
        """Called once a call that carried these starts was answered."""
        with self._lock:
            self._starts.difference_update(refs)

    def __len__(self) -> int:
        return len(self._held)
