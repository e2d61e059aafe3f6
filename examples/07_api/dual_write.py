"""While the old queue is being left: two queues behind the interface of one. Goes when that is done."""

import os
from pathlib import Path

from supaqueue.cutover.legacy.folder import folder_queue
from supaqueue.cutover.router import DualWriteQueue


def two_queues(budget_seconds: float) -> DualWriteQueue:
    return DualWriteQueue(folder_queue(Path(os.environ["LEGACY_FOLDER"])), budget_seconds=budget_seconds)
