"""A worker of BullMQ: `python -m supaqueue.cli.demo.cutover.bullmq_worker bullmq:URL`."""

from __future__ import annotations

import asyncio
import signal
import sys

from supaqueue.cli.demo.cutover.handlers import registry
from supaqueue.cli.demo.cutover.legacy import guard_of, open_legacy
from supaqueue.cli.demo.workers import QUEUE
from supaqueue.cutover.legacy.bullmq_worker import bullmq_worker
from supaqueue.telemetry.logs import configure_logging

OPTIONS = {
    "lockDuration": 3000,
    "stalledInterval": 1000,
    "maxStalledCount": 5,
    "drainDelay": 0.2,
    "concurrency": 4,
    "runRetryDelay": 200,
}


async def main(place: str) -> None:
    """Run until SIGTERM."""
    configure_logging(format="text", level="info")
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    options = {**OPTIONS, "connection": place.partition(":")[2]}
    worker = bullmq_worker(QUEUE, registry, guard_of(open_legacy(place)), options)
    await stopped.wait()
    await worker.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
