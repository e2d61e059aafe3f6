"""PgQueuer over asyncpg: one connection to enqueue, its pool for the worker, batches of the slots' number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
from contest import compete
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgPoolDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries


class Peer:
    """PgQueuer in a database of its own."""

    def __init__(self, address: str, pool: asyncpg.Pool) -> None:
        self._address = address
        self._queries = Queries(AsyncpgPoolDriver(pool))

    async def enqueue(self, number: int) -> None:
        await self._queries.enqueue("count", str(number).encode())

    async def enqueue_many(self, numbers: range) -> None:
        payloads = [str(n).encode() for n in numbers]
        await self._queries.enqueue(["count"] * len(payloads), payloads, [0] * len(payloads))

    @asynccontextmanager
    async def serve(self, slots: int, handler: Callable[[int], None]) -> AsyncIterator[None]:
        async with asyncpg.create_pool(self._address, min_size=4, max_size=8) as pool:
            peer = PgQueuer(AsyncpgPoolDriver(pool))

            @peer.entrypoint("count")
            async def count(job: Job) -> None:
                handler(int(job.payload or b"0"))

            running = asyncio.create_task(peer.run(batch_size=slots, max_concurrent_tasks=2 * slots))
            try:
                yield
            finally:
                peer.shutdown.set()
                await running


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[Peer]:
    async with asyncpg.create_pool(address, min_size=4, max_size=16) as pool:
        queries = Queries(AsyncpgPoolDriver(pool))
        if not await queries.has_table("pgqueuer"):
            await queries.install()
        await pool.execute("truncate pgqueuer, pgqueuer_log")
        yield Peer(address, pool)


if __name__ == "__main__":
    compete(opened)
