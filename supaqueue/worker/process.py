"""A worker as the main thing of a process: signals in, exit code out."""

from __future__ import annotations

import asyncio
import os
import signal

from supaqueue.worker.worker import Worker


def run_worker(worker: Worker) -> int:
    """Runs a worker until SIGTERM or SIGINT, gracefully; a second signal leaves at once.

    Returns:
        The process' exit code, 0. Does not return if sync handlers outlive their grace time: no thread can be
        ended from outside, so the process ends at once, with 1, and their leases run out.
    """
    ended = asyncio.run(_run(worker))
    worker.telemetry.close()
    if not ended:
        os._exit(1)
    return 0


async def _run(worker: Worker) -> bool:
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, lambda *_: os._exit(130))
        worker.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    return await worker.run()
