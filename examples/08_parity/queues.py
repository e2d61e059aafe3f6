"""The old queue, which SUPAQUEUE_LEGACY=queues:legacy names; and both behind the interface of one."""

import os
from pathlib import Path

from supaqueue.cutover.legacy.folder import folder_queue
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.router import DualWriteQueue


def legacy() -> LegacyQueue:
    return folder_queue(Path(os.environ["LEGACY_FOLDER"]))


def router() -> DualWriteQueue:
    return DualWriteQueue(legacy())
