"""An archiver that is killed with -9 at its n-th step.

    python killed_archiver.py FOLDER QUEUE STEP JOB_ID

A step is before and after each call, each change of a folder and each wait for the disk, and in the middle of
each write. Before its first deletion it changes one job, so that a line has to be dropped.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from supaqueue.contract import Call, DeleteArchivedJobs, RetentionPolicy
from supaqueue.maintain import archive_file
from supaqueue.maintain.retention import Retention
from supaqueue.settings import Settings
from supaqueue.transport import RestTransport

FOLDER, QUEUE, STEP, JOB_ID = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]


class Steps:
    """Counts them, and kills this process at the one given."""

    def __init__(self) -> None:
        self.done = 0

    def step(self) -> None:
        self.done += 1
        if self.done == STEP:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def stepping(*arguments: Any, **options: Any) -> Any:
            self.step()
            answer = function(*arguments, **options)
            self.step()
            return answer

        return stepping


def write_in_halves(steps: Steps) -> Callable[[Path, Any], None]:
    write = archive_file._write

    def halves(path: Path, lines: Any) -> None:
        write(path, lines)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        steps.step()
        path.write_bytes(whole)

    return halves


class Changing(RestTransport):
    """Changes one job before the first deletion."""

    changed = False

    def send(self, call: Call[Any]) -> Any:
        if isinstance(call, DeleteArchivedJobs) and not self.changed:
            self.changed = True
            with psycopg.connect(os.environ["SUPABASE_DB_URL"], autocommit=True) as connection:
                connection.execute("update job_tasks set result = '\"new\"' where job_id = %s", [JOB_ID])
        return super().send(call)


def main() -> None:
    settings = Settings.load()
    policy = RetentionPolicy(completed=0, queue=QUEUE)
    transport = Changing(settings)
    steps = Steps()
    os.replace = steps.around(os.replace)
    os.fsync = steps.around(os.fsync)
    Path.unlink = steps.around(Path.unlink)  # type: ignore[method-assign]
    Path.mkdir = steps.around(Path.mkdir)  # type: ignore[method-assign]
    transport.send = steps.around(transport.send)  # type: ignore[method-assign]
    archive_file._write = write_in_halves(steps)  # type: ignore
    with Retention(policy, settings, transport=transport, archive=FOLDER, share=1.0) as retention:
        retention.run()
    print(steps.done)


main()
