"""A worker of the folder queue: `python -m supaqueue.cli.demo.cutover.folder_worker folder:PATH`."""

from __future__ import annotations

import sys

from supaqueue.cli.demo.cutover.handlers import registry
from supaqueue.cli.demo.cutover.legacy import guard_of, open_legacy
from supaqueue.cutover.legacy.folder import FolderBroker
from supaqueue.cutover.legacy.folder_worker import FolderWorker, run_folder_worker
from supaqueue.telemetry.logs import configure_logging

CONCURRENCY = 4


def main(place: str) -> int:
    """Run until SIGTERM."""
    configure_logging(format="text", level="info")
    queue = open_legacy(place)
    assert isinstance(queue.broker, FolderBroker)
    return run_folder_worker(FolderWorker(registry, queue.broker, guard_of(queue), concurrency=CONCURRENCY))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
