"""A producer as a process of its own: enqueues files and reads jobs back through the router, all the time.

Started as `python -m supaqueue.cli.demo.cutover.producer FOLDER NUMBER LEGACY`, with `files.json` in the
folder; the environment says where Supabase is.
"""

from __future__ import annotations

import itertools
import json
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from supaqueue.answer import EnqueueAnswer
from supaqueue.cli.demo.cutover.legacy import open_legacy
from supaqueue.cli.demo.cutover.order import Accepted, Order, Told, read_order, tell
from supaqueue.cli.demo.workers import QUEUE
from supaqueue.contract import NewJob
from supaqueue.cutover.rollout import Rollout
from supaqueue.cutover.router import DualWriteQueue
from supaqueue.cutover.spool import Spool
from supaqueue.cutover.switches import Switches
from supaqueue.errors import QueueUnavailable
from supaqueue.settings import Settings
from supaqueue.telemetry import Telemetry
from supaqueue.telemetry.events import Event, ReadFallback
from supaqueue.telemetry.logs import configure_logging
from supaqueue.transport import RestTransport

TURN_SECONDS = 0.2
SLOW_TURN_SECONDS = 1.0
MANY_WAITING = 50
"""With more jobs than this waiting in legacy, producers take slow turns."""
BATCH = 6
READ_BACK = 8
REPEAT_SECONDS = 0.1
GIVE_UP_SECONDS = 120.0


class Producer:
    """Enqueues by ones and by batches in turn, and reads back what it enqueued."""

    def __init__(self, folder: Path, number: int, legacy: str) -> None:
        self._folder, self._number = folder, number
        files: list[str] = json.loads((folder / "files.json").read_text())
        random.Random(number).shuffle(files)  # noqa: S311
        self._files = itertools.cycle(files)
        transport = RestTransport(Settings.load())
        self._rollout = Rollout(transport)
        self._legacy = open_legacy(legacy)
        self._queue = DualWriteQueue(
            self._legacy,
            transport=transport,
            rollout=self._rollout,
            switches=Switches(),
            spool=Spool(folder / "spool"),
            telemetry=Telemetry([self._on_event]),
        )
        self._accepted: list[str] = []
        self._fallbacks = 0
        self._repeats = 0

    def run(self) -> None:
        """Go on until the order says to stop."""
        for turn in itertools.count():
            order = read_order(self._folder)
            if order.stop:
                break
            began = time.monotonic()
            tell(self._folder, self._number, self._turn(order, 1 if turn % 2 else BATCH))
            time.sleep(max(0.0, began + self._turn_seconds(order) - time.monotonic()))
        self._queue.close()

    def _turn_seconds(self, order: Order) -> float:
        try:
            is_behind = self._legacy.broker.count().pending > MANY_WAITING
        except QueueUnavailable:
            is_behind = True
        return SLOW_TURN_SECONDS if is_behind or order.is_slow else TURN_SECONDS

    def _turn(self, order: Order, number: int) -> Told:
        fallbacks, repeats = self._fallbacks, self._repeats
        accepted = self._enqueue(order, [next(self._files) for _ in range(number)])
        self._accepted += [one.job_id for one in accepted]
        reads, unread = self._read_back()
        return Told(
            accepted,
            stage=order.stage,
            reads=reads,
            unread=unread,
            read_fallbacks=self._fallbacks - fallbacks,
            repeats=self._repeats - repeats,
        )

    def _enqueue(self, order: Order, paths: Sequence[str]) -> tuple[Accepted, ...]:
        jobs = _jobs(paths, order.later_seconds if len(paths) > 1 else None)
        version = self._flag_version()
        answers = self._answers(jobs)
        is_settled = version == self._flag_version() == order.version and read_order(self._folder) == order
        return tuple(
            Accepted(answer.job_id, path, answer.owner or "supabase", order.stage, is_settled)
            for answer, path in zip(answers, paths, strict=True)
        )

    def _answers(self, jobs: Sequence[NewJob]) -> Sequence[EnqueueAnswer]:
        """Sends again what was refused for the moment: each job stays where it was placed at first."""
        give_up_at = time.monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                return self._queue.enqueue_many(jobs)
            except QueueUnavailable:
                self._repeats += 1
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(REPEAT_SECONDS)

    def _read_back(self) -> tuple[int, int]:
        """Reads some jobs, new and old; returns how many, and of how many nobody knew."""
        asked = random.sample(self._accepted, min(READ_BACK, len(self._accepted)))
        try:
            found = self._queue.get_many(asked)
        except QueueUnavailable:
            return 0, 0
        return len(found), sum(job is None for job in found)

    def _flag_version(self) -> int | None:
        known = self._rollout.current()
        return known.flags.overall.version if known is not None else None

    def _on_event(self, event: Event) -> None:
        self._fallbacks += isinstance(event, ReadFallback)


def _jobs(paths: Sequence[str], later_seconds: float | None) -> list[NewJob]:
    """Return a job for each file; the last one is due later, if any is."""
    delays = [None] * (len(paths) - 1) + [later_seconds]
    return [
        NewJob("measure_file", {"path": path}, queue=QUEUE, delay=delay)
        for path, delay in zip(paths, delays, strict=True)
    ]


if __name__ == "__main__":
    configure_logging(format="text", level="warning")
    Producer(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]).run()
