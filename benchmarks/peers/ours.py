"""supaqueue over the API, or with an address of Postgres over direct connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from contest import compete

from supaqueue import AsyncQueue, DatabaseSettings, NewJob, Registry, Settings, Worker


class Ours:
    """A queue of its own in a shared database."""

    def __init__(self, settings: Settings | DatabaseSettings, queue: AsyncQueue) -> None:
        self._settings = settings
        self._queue = queue
        self._name = f"bench-{uuid4().hex[:12]}"

    async def enqueue(self, number: int) -> None:
        await self._queue.enqueue("count", number, queue=self._name)

    async def enqueue_many(self, numbers: range) -> None:
        await self._queue.enqueue_many([NewJob("count", n, queue=self._name) for n in numbers])

    @asynccontextmanager
    async def serve(self, slots: int, handler: Callable[[int], None]) -> AsyncIterator[None]:
        registry = Registry()

        @registry.task("count")
        async def count(number: int) -> None:
            handler(number)

        worker = Worker(registry, self._settings, queues=[self._name], concurrency=slots)
        running = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            worker.stop()
            await running


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[Ours]:
    """`address` is JSON: the settings' arguments."""
    given = json.loads(address)
    settings = DatabaseSettings(given["url"]) if given["url"].startswith("postgres") else Settings(**given)
    async with AsyncQueue(settings) as queue:
        yield Ours(settings, queue)


if __name__ == "__main__":
    compete(opened)
