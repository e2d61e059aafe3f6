"""A worker of RQ: `python -m supaqueue.cli.demo.cutover.rq_worker rq:URL`.

It is RQ's own, started as its documentation says where jobs take long to import.
"""

from __future__ import annotations

import sys

import redis
import rq

from supaqueue.cli.demo.cutover import rq_jobs  # noqa: F401  # so that no fork has to
from supaqueue.cli.demo.workers import QUEUE
from supaqueue.telemetry.logs import configure_logging

MAINTENANCE_SECONDS = 5
"""How often it looks for jobs of workers that died, which RQ gives up after a minute."""
WORKER_TTL_SECONDS = 20
"""An idle worker waits for a job for 15 s less than this, and looks for such jobs only in between."""


def main(place: str) -> None:
    """Run until SIGTERM."""
    configure_logging(format="text", level="info")
    connection = redis.Redis.from_url(place.partition(":")[2])
    worker = rq.Worker(
        [QUEUE],
        connection=connection,
        maintenance_interval=MAINTENANCE_SECONDS,
        worker_ttl=WORKER_TTL_SECONDS,
        job_monitoring_interval=MAINTENANCE_SECONDS,
        log_job_description=False,
    )
    worker.work(with_scheduler=True)


if __name__ == "__main__":
    main(sys.argv[1])
