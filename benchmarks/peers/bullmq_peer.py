"""BullMQ for Python, on a Valkey whose appends are synced each second, as is its default."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from bullmq import Job, Queue, Worker
from contest import compete


class Peer:
    """A BullMQ queue of its own."""

    def __init__(self, address: str, name: str, queue: Queue) -> None:
        self._address = address
        self._name = name
        self._queue = queue

    async def enqueue(self, number: int) -> None:
        await self._queue.add("count", {"number": number})

    async def enqueue_many(self, numbers: range) -> None:
        await self._queue.addBulk([{"name": "count", "data": {"number": n}, "opts": {}} for n in numbers])

    @asynccontextmanager
    async def serve(self, slots: int, handler: Callable[[int], None]) -> AsyncIterator[None]:
        async def process(job: Job, token: str) -> None:
            handler(job.data["number"])

        worker = Worker(self._name, process, {"connection": self._address, "concurrency": slots})
        try:
            yield
        finally:
            await worker.close()


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[Peer]:
    name = f"bench-{uuid4().hex[:12]}"
    queue = Queue(name, {"connection": address})
    try:
        yield Peer(address, name, queue)
    finally:
        await queue.close()


if __name__ == "__main__":
    compete(opened)
