"""Runs handlers until nothing is left to run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from supaqueue.contract import HeartbeatAnswer
from supaqueue.errors import ConfigurationError
from supaqueue.testing.calls_outside import CallsOutside
from supaqueue.testing.drain import Drain
from supaqueue.testing.source import Source, database_of
from supaqueue.testing.summary import RunSummary
from supaqueue.worker import Registry

LIMIT = 100


def run_until_empty(
    registry: Registry,
    source: Source,
    *,
    queues: Sequence[str] | None = None,
    advance: bool = True,
    limit: int = LIMIT,
) -> RunSummary:
    """Run every task that is ready, one after the other, as a worker would, until nothing is left.

    Async handlers run in an event loop of this call, sync ones in this thread with no event loop running.

    Args:
        registry: the handlers; tasks of other types stay where they are.
        source: the database in memory, or a queue or transport on it.
        queues: which to serve; by default all.
        advance: move the database's clock on to what is due next (a retry, a snooze, a delay), until nothing
            is; else run only what is ready now.
        limit: how often one task may run.

    Raises:
        NeverEmpty: a task ran more often than that, or all together 10,000 times.
        ConfigurationError: called in an event loop, or `source` leads to no database in memory.
    """
    _check_no_loop()
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        calls = CallsOutside(loop)
        drain = Drain(registry, database_of(source), queues, advance, limit, calls, loop.stop, _at_once)
        while (task := drain.next_task()) is not None:
            loop.call_soon(drain.runner.take, task)
            while not drain.idle:
                loop.run_forever()
                calls.make_calls()
            drain.raise_what_ends_a_test()
    return drain.summary()


async def async_run_until_empty(
    registry: Registry,
    source: Source,
    *,
    queues: Sequence[str] | None = None,
    advance: bool = True,
    limit: int = LIMIT,
) -> RunSummary:
    """Do what `run_until_empty` does, in the event loop that runs; sync handlers run in a thread.

    Raises:
        NeverEmpty: a task ran more often than `limit`, or all together 10,000 times.
        ConfigurationError: `source` leads to no database in memory.
    """
    idle = asyncio.Event()
    tell = asyncio.get_running_loop().call_soon_threadsafe
    with ThreadPoolExecutor(1, thread_name_prefix="supaqueue-handler") as threads:
        drain = Drain(registry, database_of(source), queues, advance, limit, threads, idle.set, tell)
        try:
            while (task := drain.next_task()) is not None:
                idle.clear()
                drain.runner.take(task)
                await idle.wait()
                drain.raise_what_ends_a_test()
        finally:
            await drain.runner.leave(0)
    return drain.summary()


def _at_once(hear: Callable[[HeartbeatAnswer], None], answer: HeartbeatAnswer) -> None:
    hear(answer)


def _check_no_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ConfigurationError(
        "run_until_empty was called in an event loop: there, use await async_run_until_empty"
    )
