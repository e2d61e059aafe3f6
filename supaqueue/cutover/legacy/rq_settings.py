"""What about RQ's workers loses, strands or repeats jobs."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import redis
from rq import Queue, Worker
from rq.scheduler import RQScheduler


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
        if len(worker.queue_names()) > 1:
            yield (
                f"the worker {worker.name} listens to several queues, and then RQ takes jobs in a way that"
                " loses one if the worker is killed at that moment: start one worker per queue"
            )


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
