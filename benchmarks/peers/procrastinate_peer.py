"""Procrastinate over psycopg."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import psycopg
from contest import compete
from procrastinate import App, PsycopgConnector


class Peer:
    """Procrastinate in a database of its own."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._handler: Callable[[int], None] = lambda _: None

        @app.task(name="count")
        async def count(number: int) -> None:
            self._handler(number)

        self._task = count

    async def enqueue(self, number: int) -> None:
        await self._task.defer_async(number=number)

    async def enqueue_many(self, numbers: range) -> None:
        await self._task.batch_defer_async(*({"number": n} for n in numbers))

    @asynccontextmanager
    async def serve(self, slots: int, handler: Callable[[int], None]) -> AsyncIterator[None]:
        self._handler = handler
        running = asyncio.create_task(
            self._app.run_worker_async(concurrency=slots, install_signal_handlers=False)
        )
        try:
            yield
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[Peer]:
    logging.getLogger("procrastinate").setLevel(logging.ERROR)
    app = App(connector=PsycopgConnector(conninfo=address, min_size=4, max_size=16))
    async with app.open_async():
        async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
            found = await connection.execute("select to_regclass('procrastinate_jobs')")
            if await found.fetchone() == (None,):
                await app.schema_manager.apply_schema_async()
            await connection.execute("truncate procrastinate_jobs cascade")
        yield Peer(app)


if __name__ == "__main__":
    compete(opened)
