"""Walks through a router's steps to their end: with threads, or in an event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from supaqueue.client.reports import Reports
from supaqueue.cutover.steps import Send, Step, Steps, TookTooLong
from supaqueue.transport import AsyncTransport, Transport

WITHIN_THREADS = 8
"""Steps with a budget that may be under way at once; a system that is silent holds them for a while."""

Result = TypeVar("Result")


class StepRunner:
    """Walks through steps. Safe to share between threads.

    Args:
        transport: what sends.
        reports: told of what is sent without a budget.
    """

    def __init__(self, transport: Transport, reports: Reports) -> None:
        self._transport = transport
        self._reports = reports
        self._pool = ThreadPoolExecutor(WITHIN_THREADS, "supaqueue-copies")

    def close(self) -> None:
        """Begin no more steps with a budget; those under way go on."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def run(self, steps: Steps[Result]) -> Result:
        """Walk through steps to their end, and return what they do."""
        try:
            step = next(steps)
            while True:
                try:
                    done = self._do(step)
                except BaseException as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(done)
        except StopIteration as ended:
            result: Result = ended.value
            return result

    def _do(self, step: Step) -> Any:
        if step.within is not None:
            return self._do_within(step, step.within)
        if isinstance(step, Send):
            with self._reports.watch(step.call):
                return self._transport.send(step.call)
        return step.function()

    def _do_within(self, step: Step, seconds: float) -> Any:
        future: Future[Any] = (
            self._pool.submit(self._transport.send, step.call)
            if isinstance(step, Send)
            else self._pool.submit(step.function)
        )
        # Not `result(seconds)`: were the step done just after, the TimeoutError would pass for its own.
        if not wait((future,), seconds).done:
            future.cancel()
            raise TookTooLong
        return future.result()


class AsyncStepRunner:
    """Walks through steps in an event loop; what blocks is done in threads.

    Args:
        transport: what sends.
        reports: told of what is sent without a budget.
    """

    def __init__(self, transport: AsyncTransport, reports: Reports) -> None:
        self._transport = transport
        self._reports = reports

    async def run(self, steps: Steps[Result]) -> Result:
        """Walk through steps to their end, and return what they do."""
        try:
            step = next(steps)
            while True:
                try:
                    done = await self._do(step)
                except BaseException as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(done)
        except StopIteration as ended:
            result: Result = ended.value
            return result

    async def _do(self, step: Step) -> Any:
        if step.within is not None:
            return await self._do_within(step, step.within)
        if isinstance(step, Send):
            with self._reports.watch(step.call):
                return await self._transport.send(step.call)
        return await asyncio.to_thread(step.function)

    async def _do_within(self, step: Step, seconds: float) -> Any:
        try:
            async with asyncio.timeout(seconds) as budget:
                if isinstance(step, Send):
                    return await self._transport.send(step.call)
                return await asyncio.to_thread(step.function)
        except TimeoutError:
            if not budget.expired():
                raise  # the step's own
            raise TookTooLong from None
