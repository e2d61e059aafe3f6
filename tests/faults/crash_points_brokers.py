"""The legacy queues that live in a Redis."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import bullmq
import rq

from supaqueue.contract import NewJob
from supaqueue.cutover.legacy.broker import Broker
from supaqueue.cutover.legacy.bullmq import BullBroker
from supaqueue.cutover.legacy.celery_redis import CeleryOnRedis
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.legacy.redis_connection import connect
from supaqueue.cutover.legacy.redis_index import RedisIndex
from supaqueue.cutover.legacy.rq import RqBroker
from tests.cutover.celery_app import make_app
from tests.faults.crash_points_ground import Ground

WORKERS = "tests.faults.crash_points_workers"


def redis_queue(ground: Ground) -> LegacyQueue:
    """Open the legacy queue of a ground."""
    return LegacyQueue(_broker(ground), RedisIndex(connect(ground.broker_url)))


def _broker(ground: Ground) -> Broker:
    url, queues = ground.broker_url, (ground.queue_name,)
    if ground.kind == "rq":
        return RqBroker(connect(url), handlers=f"{WORKERS}.run", queues=queues)
    if ground.kind == "celery":
        return CeleryOnRedis(make_app(url), queues=queues)
    return BullBroker(url, queues=queues)


def send_around_the_router(ground: Ground, job: NewJob) -> None:
    """Send a message as the application did before there was a router."""
    url, queue = ground.broker_url, job.queue
    if ground.kind == "rq":
        call = (f"{WORKERS}.run", job.task_type, job.payload)
        retry = rq.Retry(max=5)  # without any RQ drops what a killed worker had
        there = rq.Queue(queue, connection=connect(url))
        if job.run_at is None:
            there.enqueue(*call, retry=retry)
        else:
            there.enqueue_at(job.run_at, *call, retry=retry)
    elif ground.kind == "celery":
        with make_app(url) as app:
            app.send_task(job.task_type, [job.payload], queue=queue, eta=job.run_at)
    else:
        asyncio.run(_add(url, job))


async def _add(url: str, job: NewJob) -> None:
    queue = bullmq.Queue(job.queue, {"connection": url})
    wait = timedelta() if job.run_at is None else job.run_at - datetime.now(UTC)
    await queue.add(job.task_type, job.payload, {"delay": round(wait.total_seconds() * 1000)})
    await queue.close()


def worker_words(ground: Ground) -> list[str]:
    """Return the words that start a worker of a ground's legacy queue, behind `python`."""
    if ground.kind == "rq":
        return ["-m", "rq.cli", "worker", ground.queue_name, "--url", ground.broker_url, "--with-scheduler"]
    if ground.kind == "celery":
        return [
            *("-m", "celery", "--app", WORKERS, "worker", "--pool", "solo", "--queues", ground.queue_name),
            *("--hostname", "crash@test", "--loglevel", "info", "--without-gossip", "--without-mingle"),
        ]
    return ["-m", WORKERS]


def worker_environment(ground: Ground, point: str | None) -> dict[str, str]:
    """Return what a worker is told: where things are, and where it ends."""
    given = json.dumps({name: str(value) for name, value in asdict(ground).items()})
    return {"CRASH_GROUND": given, "CRASH_POINT": point or ""}


def told_ground(environ: Mapping[str, str] = os.environ) -> Ground:
    """Return the ground that a worker was told."""
    given = json.loads(environ["CRASH_GROUND"])
    return Ground(**given | {"root": Path(given["root"])})
