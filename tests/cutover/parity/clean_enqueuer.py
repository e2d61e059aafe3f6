"""An API that enqueues by the router: `python -m tests.cutover.parity.clean_enqueuer FOLDER NAME JOBS`.

Appends the ids of what was accepted to FOLDER/NAME.accepted; its first line is this process' own clock.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from supaqueue.contract import NewJob
from supaqueue.cutover.legacy.folder import folder_queue
from supaqueue.cutover.router import DualWriteQueue
from supaqueue.errors import QueueUnavailable
from supaqueue.settings import Settings

LARGEST_BATCH = 20
PAUSE_SECONDS = 0.1
"""Between batches, so that workers are at work all the while."""
TYPES = ("sum", "sum", "mail", "busy")


def main(folder: Path, name: str, count: int) -> None:
    """Enqueue so many jobs, in batches of any size."""
    draw = random.Random(name)
    with (
        (folder / f"{name}.accepted").open("w", buffering=1) as accepted,
        DualWriteQueue(folder_queue(folder / "legacy"), Settings.load()) as queue,
    ):
        print(time.time(), file=accepted)
        done = 0
        while done < count:
            batch = [_job(draw, done + n) for n in range(min(draw.randint(1, LARGEST_BATCH), count - done))]
            _send(queue, batch, accepted)
            done += len(batch)
            time.sleep(PAUSE_SECONDS)


def _job(draw: random.Random, number: int) -> NewJob:
    numbers = [draw.choice([draw.randint(-9, 9), draw.random(), 1e300, 0.1]) for _ in range(3)]
    payload = {"n": number, "numbers": numbers, "to": {"name": "Ünïcode ✓", "empty": [None, {}]}}
    delay = 0.5 if draw.random() < 0.02 else None
    return NewJob(draw.choice(TYPES), payload, queue="clean", delay=delay)


def _send(queue: DualWriteQueue, batch: Sequence[NewJob], accepted: TextIO) -> None:
    """Sent again, as a caller does who was told 503: each job stays where it was placed."""
    while True:
        try:
            answers = queue.enqueue_many(batch)
        except QueueUnavailable:
            time.sleep(PAUSE_SECONDS)
        else:
            accepted.writelines(f"{answer.job_id}\n" for answer in answers)
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
