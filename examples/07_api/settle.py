"""What a cron runs each minute: runs of which it is not known whether they are enqueued are settled."""

import os
import sys

from app import queue, runs

from supaqueue import settle_unknown
from supaqueue.errors import CallError

OLDER_THAN = float(os.environ.get("SETTLE_OLDER_THAN", "60"))  # seconds; by then their requests are over

try:
    unknown = runs.unknown(OLDER_THAN)
    answers = settle_unknown(queue, unknown, undo=runs.remove, keep=runs.confirm)
except CallError as error:
    sys.exit(f"not now: {error}")
for answer in answers:
    print(answer.job_id, "enqueued" if answer.answer == "started" else "removed")
