"""What a handler is told about the task that it runs."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from supaqueue.contract import UNCHANGED, Json, Unchanged
from supaqueue.worker.effects import Effects
from supaqueue.worker.progress_report import ProgressReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The task at hand. `job_id` is the key to make effects idempotent with: a handler runs at least once.

    Attributes:
        attempt: the number of this attempt, from 1.
        max_attempts: how many there are at most.
        timeout_seconds: how long this attempt may take, None if as long as it likes.
        shadow: whether this is an observation beside the run that counts: it must have no effects.
        task_name: its name in its job, if that was made of several tasks.
        results: what the tasks directly before it came to, by their names. One that did not complete is not
            among them; only the job's `on_failure="continue"` lets a task run after such a one.
    """

    job_id: str
    task_number: int
    task_type: str
    queue: str
    attempt: int
    max_attempts: int
    worker_id: str
    timeout_seconds: float | None = None
    shadow: bool = False
    task_name: str | None = None
    results: Mapping[str, Json] = field(default_factory=dict, repr=False)
    effects: Effects = field(default_factory=Effects, repr=False, compare=False)
    report: ProgressReport = field(default_factory=ProgressReport, repr=False, compare=False)
    _cancelled: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)

    @property
    def cancelled(self) -> bool:
        """Whether this run should stop: job cancelled, time up, lease lost, or the worker is leaving.

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

    @property
    def checkpoint(self) -> Json:
        """What this run, or else the attempt before it, last left as its checkpoint; None if nothing."""
        return self.report.checkpoint

    def progress(
        self,
        percent: float | Unchanged = UNCHANGED,
        message: str | Unchanged = UNCHANGED,
        *,
        checkpoint: object = UNCHANGED,
    ) -> None:
        """Tells how far this run is; readers see it within a second. Returns at once, from any thread.

        What is left out stays as it was. Several reports become one call; the latest counts, also if the run
        fails right after it: only a worker that is killed may lose the last fifth of a second.

        Args:
            percent: 0 to 100.
            message: up to 1,000 characters.
            checkpoint: up to 256 KiB of plain JSON or a pydantic model, for the next attempt to go on from.

        Raises:
            InvalidInput: naming the argument.
        """
        self.report.add(percent, message, checkpoint)

    async def effect(self, function: Callable[..., Any], *arguments: object, **keywords: object) -> Any:
        """Call what has an effect outside, sync or async, and return its result; in a shadow run, don't.

        There the call is recorded beside the result instead, and None is returned.
        """
        returned = self.sync_effect(function, *arguments, **keywords)
        return await returned if inspect.isawaitable(returned) else returned

    def sync_effect(self, function: Callable[..., Any], *arguments: object, **keywords: object) -> Any:
        """Do as `effect` does, in a sync handler."""
        if self.shadow:
            self.effects.record(function, arguments, keywords)
            return None
        return function(*arguments, **keywords)

    def cancel(self) -> None:
        """Called by the worker: makes `cancelled` true."""
        self._cancelled.set()
