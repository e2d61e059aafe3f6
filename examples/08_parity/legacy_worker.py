"""The old queue's worker, with the same handlers. Run it: python legacy_worker.py"""

import sys

from jobs import registry
from queues import legacy

from supaqueue import Settings
from supaqueue.cutover.guard import Guard
from supaqueue.cutover.legacy.folder import FolderBroker
from supaqueue.cutover.legacy.folder_worker import FolderWorker, run_folder_worker
from supaqueue.cutover.supabase_starts import StartsInSupabase
from supaqueue.transport import RestTransport

old = legacy()
assert isinstance(old.broker, FolderBroker)
with RestTransport(Settings.load()) as transport:
    guard = Guard(old.index, start_in_supabase=StartsInSupabase(transport))
    sys.exit(run_folder_worker(FolderWorker(registry, old.broker, guard)))
