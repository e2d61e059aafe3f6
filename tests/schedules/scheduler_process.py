"""A scheduler as a process of its own, whose time is in a file, beside which it leaves its mark.

Run: python -m tests.schedules.scheduler_process <file>
"""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path

from supaqueue.maintain.scheduler import Scheduler
from supaqueue.settings import Settings
from supaqueue.transport import RestTransport
from tests.schedules.moved_time import MovedTime


def main() -> None:
    clock = Path(sys.argv[1])
    with RestTransport(Settings.load()) as transport:

        def now() -> datetime:
            (clock.parent / f"asked-{os.getpid()}").touch()
            return datetime.fromisoformat(clock.read_text())

        Scheduler(MovedTime(transport, now), longest_pause=0.05).run()


if __name__ == "__main__":
    main()
