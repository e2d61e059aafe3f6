"""Reports ended tasks: at once when no report is in flight, gathered while one is."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from supaqueue.contract import FinishAnswer, FinishedTask, FinishJobTasks, TaskError
from supaqueue.contract.json_value import encode
from supaqueue.errors import CallError, CallRefused
from supaqueue.transport import AsyncTransport
from supaqueue.worker.leases import Leases
from supaqueue.worker.pause import Pauses
from supaqueue.worker.run import Ended

_log = logging.getLogger(__name__)

BATCH_LIMIT = 500
"""Tasks that one report carries."""

BATCH_BYTES = 4 * 1024 * 1024
"""The results in one report come to no more, unless it is a single one."""


@dataclass(slots=True)
class Finisher:
    """Sends reports until closed. A report that gets no answer is sent again: it is repeatable."""

    transport: AsyncTransport
    leases: Leases
    worker_id: str
    answered: Callable[[Ended, FinishAnswer], None]
    failed: Callable[[CallError], None]
    _ended: deque[Ended] = field(default_factory=deque)
    _more: asyncio.Event = field(default_factory=asyncio.Event)
    _closing: bool = False

    def add(self, ended: Ended) -> None:
        """Queues one report."""
        self._ended.append(ended)
        self._more.set()

    def close(self) -> None:
        """Lets `run` return once everything queued has been reported."""
        self._closing = True
        self._more.set()

    async def run(self) -> None:
        """Reports until closed and empty."""
        while self._ended or not self._closing:
            await self._more.wait()
            self._more.clear()
            while self._ended:
                await self._report(self._next_batch())

    def _next_batch(self) -> list[Ended]:
        batch: list[Ended] = []
        size = 0
        while self._ended and len(batch) < BATCH_LIMIT:
            result = self._ended[0].finished.result
            size += 0 if result is None else len(encode(result).encode())
            if batch and size > BATCH_BYTES:
                break
            batch.append(self._ended.popleft())
        return batch

    async def _report(self, batch: Sequence[Ended]) -> None:
        pauses = Pauses()
        refused_before = False
        while True:
            try:
                answers = await self._send([ended.finished for ended in batch])
            except CallError as failed:
                if isinstance(failed, CallRefused):
                    if len(batch) > 1:
                        return await self._one_by_one(batch)
                    if refused_before:
                        return await self._give_up(batch[0], failed)
                    refused_before = True  # work that was done is not thrown away for a single answer
                await self._pause(failed, pauses)
            else:
                return self._settle(batch, answers)

    async def _pause(self, failed: CallError, pauses: Pauses) -> None:
        self.failed(failed)
        seconds = pauses.next()
        _log.warning("finish failed (%s: %s); again in %.1f s", type(failed).__name__, failed, seconds)
        await asyncio.sleep(seconds)

    async def _send(self, finished: Sequence[FinishedTask]) -> Sequence[FinishAnswer]:
        return await self.transport.send(FinishJobTasks(worker_id=self.worker_id, tasks=tuple(finished)))

    async def _one_by_one(self, batch: Sequence[Ended]) -> None:
        # One row that the database refuses must not keep its neighbours from being recorded.
        for ended in batch:
            await self._report([ended])

    async def _give_up(self, ended: Ended, refused: CallRefused) -> None:
        ref, finished = ended.finished.ref, ended.finished
        _log.error("the end of job %s could not be recorded: %s", ref.job_id, refused)
        if finished.outcome == "fail":
            return self._settle([ended], [FinishAnswer(ref, "unknown", None)])
        error = TaskError(type="CallRefused", message="the database refused what the handler returned")
        failed = replace(finished, outcome="fail", result=None, after_seconds=None, error=error)
        return await self._report([replace(ended, finished=failed)])

    def _settle(self, batch: Sequence[Ended], answers: Sequence[FinishAnswer]) -> None:
        for ended, answer in zip(batch, answers, strict=True):
            self.leases.remove(ended.held.task.ref)
            self.answered(ended, answer)
