"""What was overloaded once is as good as new: no connection is lost to calls that time out or are cancelled.

httpcore loses those that wait in its pool (encode/httpcore#1093), and those cancelled at the wrong moment.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from supaqueue.contract import HoldLease
from supaqueue.errors import QueueUnavailable
from supaqueue.settings import Settings
from supaqueue.transport import AsyncRestTransport, RestTransport
from supaqueue.transport.connections import MOST_CONNECTIONS
from tests.sql.sessions import wait_until

CALL = HoldLease("a", "h", 1.0)
BODY = json.dumps({"is_held": True, "holder": "h", "expires_in_seconds": 1.0}).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)
TRY_SECONDS = 0.3
CALLERS = 3 * MOST_CONNECTIONS


class SlowServer:
    """Answers each request after a while, whatever it is."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1000)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        serving = asyncio.all_tasks() - {asyncio.current_task()}
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
                await reader.readexactly(int(length))
                await asyncio.sleep(self.seconds)
                writer.write(HEAD + BODY)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            writer.close()


@pytest.fixture
def server() -> Iterator[SlowServer]:
    slow = SlowServer()
    slow.start()
    yield slow
    slow.stop()


def settings_of(server: SlowServer) -> Settings:
    return Settings(url=f"http://127.0.0.1:{server.port}", service_role_key="key")


def pool_of(transport: RestTransport | AsyncRestTransport) -> Any:
    """Return what httpcore knows of connections, and of requests that wait for one."""
    return transport._http._transport._pool  # type: ignore[union-attr]


def is_idle(transport: RestTransport | AsyncRestTransport) -> bool:
    return all(connection.is_idle() for connection in pool_of(transport).connections)


def test_a_process_lets_none_wait_in_the_pool(server: SlowServer) -> None:
    in_pool = []
    with (
        ThreadPoolExecutor(CALLERS) as threads,
        RestTransport(settings_of(server), TRY_SECONDS, try_seconds=TRY_SECONDS) as transport,
    ):

        def send(_: int) -> str:
            try:
                transport.send(CALL)
            except QueueUnavailable as error:
                return str(error)
            finally:
                in_pool.append(len(pool_of(transport)._requests))
            return "held"

        server.seconds = 0.9 * TRY_SECONDS
        ends = list(threads.map(send, range(CALLERS)))
        assert any("all connections of this process are busy" in end for end in ends)
        assert 1 < max(in_pool) <= MOST_CONNECTIONS
        server.seconds = 0.0
        wait_until(lambda: transport.send(CALL).is_held and is_idle(transport), "all connections are idle")


def test_a_loop_lets_none_wait_in_the_pool(server: SlowServer) -> None:
    in_pool = []

    async def overload() -> None:
        async with AsyncRestTransport(settings_of(server), TRY_SECONDS, try_seconds=TRY_SECONDS) as transport:

            async def send() -> str:
                try:
                    await transport.send(CALL)
                except QueueUnavailable as error:
                    return str(error)
                finally:
                    in_pool.append(len(pool_of(transport)._requests))
                return "held"

            server.seconds = 0.9 * TRY_SECONDS
            ends = await asyncio.gather(*(send() for _ in range(CALLERS)))
            assert any("all connections of this process are busy" in end for end in ends)
            assert 1 < max(in_pool) <= MOST_CONNECTIONS
            assert is_idle(transport)

    asyncio.run(overload())


def test_a_loop_loses_no_connection_to_a_call_cancelled_at_any_step(server: SlowServer) -> None:
    async def cancel_each() -> None:
        async with AsyncRestTransport(settings_of(server), 20.0) as transport:
            for steps in range(200):
                sending = asyncio.create_task(transport.send(CALL))
                for _ in range(steps):
                    await asyncio.sleep(0)
                sending.cancel()
                await asyncio.wait([sending])
            await transport.send(CALL)
            while transport._abandoned:
                await asyncio.wait(transport._abandoned)
            assert is_idle(transport)

    asyncio.run(cancel_each())


def test_a_cancelled_call_does_not_outlive_its_transport(server: SlowServer) -> None:
    async def close_early() -> set[asyncio.Task[Any]]:
        async with AsyncRestTransport(settings_of(server), 20.0) as transport:
            server.seconds = 20.0
            sending = asyncio.create_task(transport.send(CALL))
            await asyncio.sleep(0.05)
            sending.cancel()
            await asyncio.wait([sending])
            assert sending.cancelled()
            assert len(transport._abandoned) == 1
        return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]

    assert asyncio.run(close_early()) == set()
