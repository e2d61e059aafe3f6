"""Natural batching for an event loop: an enqueue goes out at once if none is under way, else with others."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TypeVar, cast

from supaqueue.contract import Call, EnqueueJobs
from supaqueue.errors import CallError, CallRefused
from supaqueue.transport.batch import Answers, divided, fitting, merged, own_error
from supaqueue.transport.protocols import AsyncTransport

Reply = TypeVar("Reply")
_Waiting = tuple[EnqueueJobs, "asyncio.Future[Answers]"]


class AsyncGatheringTransport:
    """Sends enqueues through another transport, those that come while one is under way as one call.

    A lone caller waits for nobody. Who comes first is sent first, up to 1,000 jobs and 1 MiB in a call. One
    call of several callers is all or nothing to none of them: if it is refused, each is sent alone. A caller
    that is cancelled before its turn is not sent; after it, its jobs may be stored, and the others' are.

    Args:
        transport: what carries the calls; closed with this one.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._waiting: deque[_Waiting] = deque()
        self._sending: asyncio.Task[None] | None = None

    async def send(self, call: Call[Reply]) -> Reply:
        """Make the call and return its answer.

        Raises:
            CallError: as the transport says.
        """
        if not isinstance(call, EnqueueJobs):
            return await self._transport.send(call)
        answer: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, answer))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())
        return cast(Reply, await answer)

    async def aclose(self) -> None:
        """Close the transport, once what is under way has its answer."""
        if self._sending is not None:
            await self._sending
        await self._transport.aclose()

    async def _send_all(self) -> None:
        try:
            while batch := self._next():
                await self._settle(batch)
        finally:
            self._sending = None
            for _, answer in self._waiting:  # only if the loop ends under it
                answer.cancel()

    def _next(self) -> list[_Waiting]:
        """Take those whose turn it is; what was cancelled meanwhile is forgotten."""
        self._waiting = deque(one for one in self._waiting if not one[1].done())
        return [self._waiting.popleft() for _ in range(fitting([call for call, _ in self._waiting]))]

    async def _settle(self, batch: list[_Waiting]) -> None:
        calls = [call for call, _ in batch]
        try:
            parts = divided(calls, await self._transport.send(merged(calls)))
        except CallRefused as refused:
            if len(batch) == 1:
                _fail(batch[0], refused)
                return
            for one in batch:
                await self._settle([one])
        except CallError as error:
            for one in batch:
                _fail(one, error if len(batch) == 1 else own_error(error, one[0]))
        except BaseException as error:
            for one in batch:
                _fail(one, error)
            if not isinstance(error, Exception):
                raise
        else:
            for (_, answer), answers in zip(batch, parts, strict=True):
                if not answer.done():
                    answer.set_result(answers)


def _fail(one: _Waiting, error: BaseException) -> None:
    if one[1].done():
        return
    if isinstance(error, asyncio.CancelledError):
        one[1].cancel()
    else:
        one[1].set_exception(error)
