"""The old queue's worker, with the same handlers. Run it: python legacy_worker.py. Goes when that is done."""

import os
import sys
from pathlib import Path

from jobs import registry

from supaqueue import Settings
from supaqueue.cutover.guard import Guard
from supaqueue.cutover.legacy.folder import FolderBroker, folder_queue
from supaqueue.cutover.legacy.folder_worker import FolderWorker, run_folder_worker
from supaqueue.cutover.supabase_starts import StartsInSupabase
from supaqueue.transport import RestTransport

old = folder_queue(Path(os.environ["LEGACY_FOLDER"]))
assert isinstance(old.broker, FolderBroker)
with RestTransport(Settings.load()) as transport:
    guard = Guard(old.index, start_in_supabase=StartsInSupabase(transport))
    sys.exit(run_folder_worker(FolderWorker(registry, old.broker, guard)))
