"""What about RQ's workers loses, strands or repeats jobs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime

import redis
from rq import Queue, Worker
from rq.scheduler import RQScheduler
from rq.worker import BaseWorker, WorkerStatus

LONGEST_IDLE_SECONDS = 120.0
EXPIRY_MARGIN_SECONDS = 60
"""RQ lets a worker's key expire so much later than its `worker_ttl`."""
WAKES_EARLIER_SECONDS = 15
LOCK_SECONDS = 899
"""For how long RQ's `Queue.acquire_maintenance_lock` takes the lock that is given back after a moment."""
LONGEST_CLEANING_SECONDS = 60.0
ABSENT = -2
"""What PTTL answers of a key that there is not; -1 of one that does not expire."""


def worker_problems(client: redis.Redis, queues: Collection[str]) -> Iterator[str]:
    """Return what is wrong with the workers that run now, each with what to set."""
    workers = Worker.all(connection=client)
    served = {name for worker in workers for name in worker.queue_names()}
    for name in sorted(queues):
        if name not in served:
            yield f"no worker listens to the queue {name}: start `rq worker {name} --with-scheduler`"
        elif not client.exists(RQScheduler.get_locking_key(name)):
            yield (
                f"no scheduler runs for the queue {name}, so that what is delayed, retried or held waits"
                f" for ever: start `rq worker {name} --with-scheduler`"
            )
    for worker in workers:
        seconds = _idle_seconds(client, worker)
        if seconds > LONGEST_IDLE_SECONDS:
            yield (
                f"the worker {worker.name} sleeps up to {seconds:,.0f} s while it is idle, and at least"
                " so long wait the jobs of a worker that was killed: start it with `--worker-ttl 60"
                " --maintenance-interval 60`"
            )
        if len(worker.queue_names()) > 1:
            yield (
                f"the worker {worker.name} listens to several queues, and then RQ takes jobs in a way that"
                " loses one if the worker is killed at that moment: start one worker per queue"
            )
    yield from _lock_problems(client, queues)


def _lock_problems(client: redis.Redis, queues: Collection[str]) -> Iterator[str]:
    """Return for which queues nobody may look for the jobs of killed workers, as who last did was killed."""
    for name in sorted(queues):
        key = Queue(name, connection=client).registry_cleaning_key
        milliseconds = int(client.pttl(key))
        if milliseconds == ABSENT:
            continue
        lives_on = milliseconds / 1000
        held = f"for another {lives_on:,.0f} s" if lives_on >= 0 else "for ever"
        if lives_on < LOCK_SECONDS - LONGEST_CLEANING_SECONDS:
            yield (
                f"for jobs of killed workers nobody looks in the queue {name}: the lock under which a worker"
                f" does was taken over {LONGEST_CLEANING_SECONDS:.0f} s ago, and stays {held}; its holder was"
                " probably killed: unless a worker has just logged `cleaning registries`,"
                f" `redis-cli DEL {key}`"
            )


def _idle_seconds(client: redis.Redis, worker: BaseWorker) -> float:
    """How long it sleeps without a message, found from when its heartbeat expires; 0 while it is busy.

    It wakes a little earlier than its `worker_ttl`, and says a minute longer that it is alive.
    """
    lives_on = int(client.pttl(worker.key))
    if worker.last_heartbeat is None or lives_on < 0 or worker.get_state() == WorkerStatus.BUSY:
        return 0.0
    silent = (datetime.now(UTC) - worker.last_heartbeat).total_seconds()
    return max(0.0, lives_on / 1000 + silent - EXPIRY_MARGIN_SECONDS - WAKES_EARLIER_SECONDS)


def timeout_problems(timeout_seconds: int, longest_run_seconds: float) -> Iterator[str]:
    """Return what is wrong with a job timeout."""
    if timeout_seconds == -1:
        yield "jobs have no timeout: one that hangs holds its worker for ever: set timeout_seconds"
    elif timeout_seconds <= longest_run_seconds:
        yield (
            f"RQ ends a job after {timeout_seconds:,} s, while one may run for {longest_run_seconds:,.0f}:"
            " set timeout_seconds above the longest run"
        )


def known_queues(client: redis.Redis) -> set[str]:
    """Return the names of all queues that RQ has seen."""
    return {queue.name for queue in Queue.all(connection=client)}
