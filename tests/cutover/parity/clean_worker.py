"""A folder queue's worker with the clean handlers: `python -m tests.cutover.parity.clean_worker FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from supaqueue.cutover.guard import Guard
from supaqueue.cutover.legacy.folder import FolderBroker, folder_queue
from supaqueue.cutover.legacy.folder_worker import FolderWorker, run_folder_worker
from supaqueue.cutover.supabase_starts import StartsInSupabase
from supaqueue.settings import Settings
from supaqueue.telemetry.logs import configure_logging
from supaqueue.transport import RestTransport
from tests.cutover.parity.clean_handlers import registry

if __name__ == "__main__":
    configure_logging(format="text", level="info")
    queue = folder_queue(Path(sys.argv[1]))
    assert isinstance(queue.broker, FolderBroker)
    starts = StartsInSupabase(RestTransport(Settings.load()))
    guard = Guard(queue.index, start_in_supabase=starts, lease_seconds=3.0)
    sys.exit(run_folder_worker(FolderWorker(registry, queue.broker, guard, concurrency=4)))
