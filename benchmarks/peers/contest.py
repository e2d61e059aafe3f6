"""What every contender is asked to do, alike: the clock, the counting and the handler are the same for all.

A contender is a file that ends with `compete(...)`; it is run as `python <file> MEASURE ADDRESS ARGUMENTS...`
and prints one number.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from statistics import quantiles
from typing import Any, Protocol

BULK = 1_000
PATIENCE_SECONDS = 300.0


class Contender(Protocol):
    """A queue under test. Every job carries a number, which the handler passes on and does nothing else."""

    async def enqueue(self, number: int) -> None:
        """Store one job; return when it is durable."""

    async def enqueue_many(self, numbers: range) -> None:
        """Store up to 1,000 jobs in one call."""

    def serve(self, slots: int, handler: Callable[[int], None]) -> AbstractAsyncContextManager[None]:
        """Run a worker of so many slots in this process while entered."""


Open = Callable[[str], AbstractAsyncContextManager[Contender]]


async def bulk(contender: Contender, jobs: int) -> float:
    """Jobs a second, 1,000 a call, one call after the other."""
    begun = time.perf_counter()
    for first in range(0, jobs, BULK):
        await contender.enqueue_many(range(first, first + BULK))
    return jobs / (time.perf_counter() - begun)


async def single(contender: Contender, callers: int, seconds: float) -> float:
    """Jobs a second of so many callers, each of whom awaits its own answer before it goes on."""
    stop_at = time.perf_counter() + seconds
    stored = 0

    async def call() -> None:
        nonlocal stored
        while time.perf_counter() < stop_at:
            await contender.enqueue(stored)
            stored += 1

    begun = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    return stored / (time.perf_counter() - begun)


async def drain(contender: Contender, slots: int, jobs: int) -> float:
    """Jobs a second from the start of a worker to the last of so many waiting jobs."""
    for first in range(0, jobs, BULK):
        await contender.enqueue_many(range(first, first + BULK))
    ran, all_ran = 0, asyncio.Event()
    loop = asyncio.get_running_loop()

    def handler(_: int) -> None:
        nonlocal ran
        ran += 1
        if ran == jobs:
            loop.call_soon_threadsafe(all_ran.set)

    begun = time.perf_counter()
    async with contender.serve(slots, handler), asyncio.timeout(PATIENCE_SECONDS):
        await all_ran.wait()
        seconds = time.perf_counter() - begun
    return jobs / seconds


async def pickup(contender: Contender, jobs: int, pause: float, quantile: int) -> float:
    """Milliseconds from a lone job's enqueue until its handler begins, `pause` seconds after the last."""
    begun: dict[int, float] = {}
    loop = asyncio.get_running_loop()
    arrived: dict[int, asyncio.Future[float]] = {}

    def handler(number: int) -> None:
        now = time.perf_counter()
        if number in arrived:
            loop.call_soon_threadsafe(arrived[number].set_result, now)

    async with contender.serve(16, handler), asyncio.timeout(PATIENCE_SECONDS):
        took = []
        for number in range(1, jobs + 4):
            await asyncio.sleep(pause)
            arrived[number] = loop.create_future()
            begun[number] = time.perf_counter()
            await contender.enqueue(number)
            took.append(await arrived[number] - begun[number])
    return quantiles(took[3:], n=100, method="inclusive")[quantile - 1] * 1000


_MEASURES: dict[str, Callable[..., Coroutine[Any, Any, float]]] = {
    "bulk": bulk,
    "single": single,
    "drain": drain,
    "pickup": pickup,
}


def compete(open_contender: Open) -> None:
    """Take one measure, as the command line says, and print it."""
    measure, address, *arguments = sys.argv[1:]
    given = [float(text) if "." in text else int(text) for text in arguments]

    async def run() -> float:
        async with open_contender(address) as contender:
            return await _MEASURES[measure](contender, *given)

    print(asyncio.run(run()))
