"""The API's runs, and how those in doubt are settled. With SUPAQUEUE_SETTLE=records:records that is done by

the worker:                            supaqueue worker jobs:registry --settle
the relay, with the old queue in use:  supaqueue rollout relay
"""

import os
from pathlib import Path

from runs import Runs

from supaqueue import Records

OLDER_THAN = float(os.environ.get("SETTLE_OLDER_THAN", "60"))  # seconds; by then their requests are over

runs = Runs(Path(os.environ.get("RUNS_DATABASE", "runs.sqlite")))
records = Records(
    unknown=lambda limit: runs.unknown(OLDER_THAN, limit),
    undo=runs.remove,
    keep=runs.confirm,
)
