"""A worker of a load test's own jobs: `python -m supaqueue.cli.loadtest.worker_process QUEUE CONCURRENCY`.

It works until its standard input ends, which it does too when the load test is killed: none is left behind.
"""

from __future__ import annotations

import asyncio
import signal
import sys

from supaqueue.cli.loadtest.own_handler import registry
from supaqueue.telemetry.logs import configure_logging
from supaqueue.worker import Worker

GRACE_SECONDS = 5.0


async def _serve(queue: str, concurrency: int) -> None:
    worker = Worker(registry, queues=(queue,), concurrency=concurrency, grace_seconds=GRACE_SECONDS)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(sys.stdin)  # an end can be read for ever
        worker.stop()

    loop.add_reader(sys.stdin, stop)
    loop.add_signal_handler(signal.SIGTERM, stop)
    await worker.run()


def main() -> None:
    """Serve the queue that the arguments name."""
    configure_logging(format="text", level="warning")
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2])))


if __name__ == "__main__":
    main()
