"""The right to load a queue with a load test's own jobs: one load test at a time."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from supaqueue.contract import HoldLease
from supaqueue.errors import SupaqueueError
from supaqueue.transport import AsyncTransport

LEASE_SECONDS = 60.0


class AnotherRuns(SupaqueueError):
    """Another load test holds the queue."""


@asynccontextmanager
async def own_turn(transport: AsyncTransport, queue: str) -> AsyncIterator[None]:
    """Hold the right to a queue for the block. One that was killed holds it for another minute.

    Two at once would remove each other's jobs, and each would measure the other's load.

    Raises:
        AnotherRuns: who does, and for how long at most.
        CallError: the database gives no answer, or refuses.
    """
    holder = f"{socket.gethostname()}:{os.getpid()}"[:200]
    name = f"loadtest {queue}"[:200]
    held = await transport.send(HoldLease(name, holder, LEASE_SECONDS))
    if not held.is_held:
        raise AnotherRuns(
            f"another load test ({held.holder}) has the queue {queue}, or was killed; without a sign of life"
            f" its right ends in {held.expires_in_seconds:.0f} s: wait, or name another one with --queue"
        )
    renewing = asyncio.create_task(_renew(transport, name, holder))
    try:
        yield
    finally:
        renewing.cancel()
        with suppress(SupaqueueError):
            await transport.send(HoldLease(name, holder, 0))


async def _renew(transport: AsyncTransport, name: str, holder: str) -> None:
    while True:
        await asyncio.sleep(LEASE_SECONDS / 3)
        with suppress(SupaqueueError):  # it is asked for again, well before it ends
            await transport.send(HoldLease(name, holder, LEASE_SECONDS))
