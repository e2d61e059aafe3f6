"""A worker of a folder queue as a process of its own: `python folder_worker_process.py FOLDER MARKS`.

Each run of a handler appends a line to MARKS. The handler of `gated`, and a second run of
`repeated`, wait until MARKS.gate is there.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from supaqueue.cutover.guard import Guard
from supaqueue.cutover.legacy.folder import folder_queue
from supaqueue.cutover.legacy.folder_worker import FolderWorker, run_folder_worker
from supaqueue.telemetry.logs import configure_logging
from supaqueue.worker import Context, Registry

registry = Registry()
MARKS = Path(sys.argv[2])


def mark(what: str, context: Context) -> None:
    with MARKS.open("a") as file:
        file.write(f"{what} {context.job_id} {context.attempt} {os.getpid()}\n")


@registry.task("count")
def count(payload: object, context: Context) -> None:
    mark("ran", context)


@registry.task("twice", backoff=0.01)
async def twice(payload: object, context: Context) -> None:
    mark("ran", context)
    if context.attempt == 1:
        raise RuntimeError("the first attempt fails")


@registry.task("gated")
def gated(payload: object, context: Context) -> None:
    mark("began", context)
    while not MARKS.with_suffix(".gate").exists():
        time.sleep(0.01)
    mark("ended", context)


@registry.task("repeated")
def repeated(payload: object, context: Context) -> None:
    mark("again" if context.shadow else "ran", context)
    while context.shadow and not MARKS.with_suffix(".gate").exists():
        time.sleep(0.01)


if __name__ == "__main__":
    configure_logging(format="text", level="info")
    queue = folder_queue(Path(sys.argv[1]))
    sys.exit(run_folder_worker(FolderWorker(registry, queue.broker, Guard(queue.index, lease_seconds=1.0))))  # type: ignore[arg-type]
