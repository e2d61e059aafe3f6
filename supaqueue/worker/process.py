"""A worker as the main thing of a process: signals in, exit code out."""

from __future__ import annotations

import asyncio
import os
import signal

from supaqueue.worker.worker import Worker


def run_worker(worker: Worker) -> int:
    """Runs a worker until SIGTERM or SIGINT, gracefully; a second signal leaves at once.

    Returns:
        The process' exit code, 0. Does not return if handlers outlive their grace time: a thread cannot be
        ended from outside, so the process ends at once, with 1, and their leases run out.
    """
    asyncio.run(_run(worker))
    worker.telemetry.close()
    return 0


async def _run(worker: Worker) -> None:
    loop = asyncio.get_running_loop()
    stopping = False

    def on_signal(*_: object) -> None:
        # Not a handler of the loop's: a second signal has to work while a task blocks the loop as well.
        nonlocal stopping
        if stopping:
            os._exit(130)
        stopping = True
        loop.call_soon_threadsafe(worker.stop)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    if not await worker.run():
        worker.telemetry.close()
        os._exit(1)
