"""What a handler is told about the task that it runs."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The task at hand. `job_id` is the key to make effects idempotent with: a handler runs at least once.

    Attributes:
        attempt: the number of this attempt, from 1.
        max_attempts: how many there are at most.
    """

    job_id: str
    task_number: int
    task_type: str
    queue: str
    attempt: int
    max_attempts: int
    worker_id: str
    _cancelled: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)

    @property
    def cancelled(self) -> bool:
        """Whether this run should stop: its job was cancelled, its lease lost, or the worker is leaving.

        A sync handler that takes long calls `raise_if_cancelled` now and then; an async one gets
        `CancelledError` anyway. A handler that just returns has completed its task.
        """
        return self._cancelled.is_set()

    def raise_if_cancelled(self) -> None:
        """Ends a sync handler that was told to stop, without counting the run as an attempt that failed.

        Raises:
            asyncio.CancelledError: if `cancelled`.
        """
        if self.cancelled:
            raise asyncio.CancelledError

    def cancel(self) -> None:
        """Called by the worker: makes `cancelled` true."""
        self._cancelled.set()
