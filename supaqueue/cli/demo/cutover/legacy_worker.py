"""A worker of the old queue as a process of its own.

Started as `python -m supaqueue.cli.demo.cutover.legacy_worker folder:PATH`; the environment says where
Supabase is, which is asked about jobs that were handed over, and whom the witness is to name.
"""

from __future__ import annotations

import sys

from supaqueue.cli.demo.cutover.handlers import registry
from supaqueue.cli.demo.cutover.legacy import open_legacy
from supaqueue.cli.demo.workers import LEASE_SECONDS
from supaqueue.cutover.guard import Guard
from supaqueue.cutover.legacy.folder import FolderBroker
from supaqueue.cutover.legacy.folder_worker import FolderWorker, run_folder_worker
from supaqueue.cutover.supabase_starts import StartsInSupabase
from supaqueue.settings import Settings
from supaqueue.telemetry.logs import configure_logging
from supaqueue.transport import RestTransport

CONCURRENCY = 4


def main(place: str) -> int:
    """Run until SIGTERM."""
    configure_logging(format="text", level="info")
    queue = open_legacy(place)
    starts = StartsInSupabase(RestTransport(Settings.load()))
    guard = Guard(queue.index, start_in_supabase=starts, lease_seconds=LEASE_SECONDS)
    assert isinstance(queue.broker, FolderBroker)
    return run_folder_worker(FolderWorker(registry, queue.broker, guard, concurrency=CONCURRENCY))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
