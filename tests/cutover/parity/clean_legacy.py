"""The old queue of the clean jobs, and a worker of it: `python -m tests.cutover.parity.clean_legacy`.

CLEAN_PLACE says where: `folder:PATH` or `rq:URL`. RQ's own worker is started, which imports `clean_rq`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import redis
import rq

from supaqueue.cutover.guard import Guard
from supaqueue.cutover.legacy.folder import FolderBroker, folder_queue
from supaqueue.cutover.legacy.folder_worker import FolderWorker, run_folder_worker
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.legacy.redis_connection import connect
from supaqueue.cutover.legacy.redis_index import RedisIndex
from supaqueue.cutover.legacy.rq import RqBroker
from supaqueue.cutover.supabase_starts import StartsInSupabase
from supaqueue.settings import Settings
from supaqueue.telemetry.logs import configure_logging
from supaqueue.transport import RestTransport
from tests.cutover.parity.clean_handlers import registry

PLACE = "CLEAN_PLACE"
QUEUE = "clean"


def open_queue(place: str) -> LegacyQueue:
    """Return the queue at a place."""
    kind, _, where = place.partition(":")
    if kind == "folder":
        return folder_queue(Path(where))
    broker = RqBroker(connect(where), handlers="tests.cutover.parity.clean_rq.run", queues=[QUEUE])
    return LegacyQueue(broker, RedisIndex(connect(where)))


def legacy() -> LegacyQueue:
    """What SUPAQUEUE_LEGACY names."""
    return open_queue(os.environ[PLACE])


def guard_of(queue: LegacyQueue) -> Guard:
    starts = StartsInSupabase(RestTransport(Settings.load()))
    return Guard(queue.index, start_in_supabase=starts, lease_seconds=3.0)


def work(place: str) -> int:
    """Run until SIGTERM."""
    configure_logging(format="text", level="info")
    if place.startswith("rq:"):
        _work_in_rq(place.removeprefix("rq:"))
        return 0
    queue = open_queue(place)
    assert isinstance(queue.broker, FolderBroker)
    return run_folder_worker(FolderWorker(registry, queue.broker, guard_of(queue), concurrency=4))


def _work_in_rq(url: str) -> None:
    # As the demo does, so that a job whose worker died is found again soon.
    worker = rq.Worker(
        [QUEUE],
        connection=redis.Redis.from_url(url),
        maintenance_interval=5,
        worker_ttl=20,
        job_monitoring_interval=5,
        log_job_description=False,
    )
    worker.work(with_scheduler=True)


if __name__ == "__main__":
    sys.exit(work(os.environ[PLACE]))
