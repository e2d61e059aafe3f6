"""How much waits in the queue, and for how long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from supaqueue.cli.loadtest.load_queue import LoadQueue
from supaqueue.contract import Stats
from supaqueue.errors import SupaqueueError

INTERVAL_SECONDS = 1.0
SHARE = 0.05
"""The part of the time that looking may take: where counting takes long, it is done less often."""

WAITING = ("pending", "blocked")
RUNNING = ("claimed", "processing")


@dataclass(frozen=True, slots=True)
class Backlog:
    """Tasks of a queue that wait and that run, whoever's; and how long the oldest that may run waits."""

    waiting: int
    running: int
    oldest_seconds: float | None


async def read_backlog(queue: LoadQueue, name: str) -> Backlog:
    """Count what a queue holds.

    Raises:
        CallError: it gives no answer.
    """
    return _backlog_of(await queue.stats(name))


async def watch_backlog(queue: LoadQueue, name: str, saw: Callable[[float, Backlog], None]) -> None:
    """Look every second until cancelled; `saw` is told the time of each look and what it found.

    A look that gets no answer is left out.
    """
    while True:
        began = time.monotonic()
        with suppress(SupaqueueError):
            saw(began, await read_backlog(queue, name))
        took = time.monotonic() - began
        await asyncio.sleep(max(INTERVAL_SECONDS - took, took / SHARE))


def _backlog_of(stats: Stats) -> Backlog:
    ages = [row.oldest_waiting_seconds for row in stats.counts if row.oldest_waiting_seconds is not None]
    return Backlog(
        waiting=sum(row.tasks for row in stats.counts if row.status in WAITING),
        running=sum(row.tasks for row in stats.counts if row.status in RUNNING),
        oldest_seconds=max(ages, default=None),
    )
