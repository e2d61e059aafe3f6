"""Whether this process itself keeps up: how late its event loop is."""

from __future__ import annotations

import asyncio
import time

from supaqueue.cli.loadtest.latencies import Latencies

INTERVAL_SECONDS = 0.05


class LoopLag:
    """How much later than asked for the event loop went on, measured 20 times a second.

    Where that is much, jobs are sent late and answers are noticed late for want of this machine's CPU, and
    what looks like a slow system may be a slow load test.
    """

    def __init__(self) -> None:
        self.latencies = Latencies()

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            wanted = time.monotonic() + INTERVAL_SECONDS
            await asyncio.sleep(INTERVAL_SECONDS)
            self.latencies.add(time.monotonic() - wanted)
