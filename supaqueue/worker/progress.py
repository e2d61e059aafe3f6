"""Sends what handlers tell of their progress: at once when no call is in flight, gathered while one is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from supaqueue.contract import HeartbeatAnswer, HeartbeatJobTasks
from supaqueue.errors import CallError
from supaqueue.transport import AsyncTransport
from supaqueue.worker.leases import Held, Leases
from supaqueue.worker.pause import Pauses

_log = logging.getLogger(__name__)

LEAST_PAUSE_SECONDS = 0.2
"""Between two calls: a handler may report as often as it likes."""


@dataclass(slots=True)
class ProgressSender:
    """Sends until cancelled. What gets no answer is sent again, or with the report of the task's end.

    Attributes:
        on_answer: told of every task that is not simply held.
        failed: told of every call that failed.
    """

    transport: AsyncTransport
    leases: Leases
    worker_id: str
    lease_seconds: float
    on_answer: Callable[[HeartbeatAnswer], None]
    failed: Callable[[CallError], None]
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def changed(self) -> None:
        """Called in the event loop's thread whenever a handler has reported."""
        self._changed.set()

    async def run(self) -> None:
        """Sends what there is, for ever."""
        pauses = Pauses()
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._send([held for held in self.leases.all() if held.report.waiting])
                pauses.reset()
                await asyncio.sleep(LEAST_PAUSE_SECONDS)
            except CallError as failed:
                self.failed(failed)
                _log.warning("progress was not stored (%s: %s)", type(failed).__name__, failed)
                self._changed.set()
                await asyncio.sleep(max(LEAST_PAUSE_SECONDS, pauses.next()))

    async def _send(self, reporting: list[Held]) -> None:
        progress = {held.task.ref: report for held in reporting if (report := held.report.next()) is not None}
        if not progress:
            return
        starts = self.leases.unreported_starts()
        answers = await self.transport.send(
            HeartbeatJobTasks(
                worker_id=self.worker_id,
                tasks=tuple(progress),
                started=starts,
                lease_seconds=self.lease_seconds,
                progress=progress,
            )
        )
        self.leases.starts_reported(starts)
        for held in reporting:
            held.report.confirm()
        for answer in answers:
            if answer.answer != "held":
                self.on_answer(answer)
