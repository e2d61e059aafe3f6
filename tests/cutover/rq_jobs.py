"""What the RQ workers of the tests run: existing functions behind the guard, and a registry's handlers."""

from __future__ import annotations

import os
import time
from typing import Any

import redis
from pydantic import BaseModel

from supaqueue import Cancel, Fail, Retry, Snooze
from supaqueue.cutover.guard import Guard
from supaqueue.cutover.legacy.redis_connection import connect
from supaqueue.cutover.legacy.redis_index import RedisIndex
from supaqueue.cutover.legacy.rq_worker import rq_guarded, rq_handler
from supaqueue.worker import Context, Registry

URL = os.environ["RQ_JOBS_REDIS"]
guard = Guard(RedisIndex(connect(URL)), lease_seconds=float(os.environ["RQ_JOBS_LEASE_SECONDS"]))
registry = Registry()


def note(key: str, text: str) -> int:
    """Record an effect; returns how many there are."""
    with redis.Redis.from_url(URL) as client:
        return int(client.rpush(f"effects:{key}", text))  # type: ignore[arg-type]


def wait_for(key: str) -> None:
    """Wait until the test opens a gate."""
    with redis.Redis.from_url(URL) as client:
        client.blpop([f"gate:{key}"])


@rq_guarded(guard)
def add(numbers: list[int]) -> int:
    """An existing function."""
    note("add", str(numbers))
    return sum(numbers)


@rq_guarded(guard)
def by_name(*, path: str, width: int) -> str:
    """An existing function that takes keywords."""
    return f"{path}@{width}"


@rq_guarded(guard)
def stubborn(key: str) -> int:
    """Raises until its third run."""
    if (run := note(key, "run")) < 3:
        raise ValueError(f"run {run}")
    return run


@rq_guarded(guard)
def slow(key: str) -> str:
    """Runs until the gate opens."""
    run = note(key, "begun")
    wait_for(f"{key}:{run}")
    return f"run {run}"


class Picture(BaseModel):
    """What `resize` takes."""

    path: str
    width: int


@registry.task("resize")
def resize(picture: Picture, context: Context) -> dict[str, Any]:
    """A handler that both sides run."""
    return {"path": picture.path, "job_id": context.job_id, "attempt": context.attempt}


@registry.task("answer", backoff=0)
async def answer(wish: dict[str, Any], context: Context) -> object:
    """Ends as it is told, and completes when it is run again."""
    if note(context.job_id, "run") > 1:
        return {"attempt": context.attempt}
    outcomes = {"retry": Retry(0), "snooze": Snooze(0), "cancel": Cancel("no"), "fail": Fail("for good")}
    return outcomes[wish["as"]]


@registry.task("endless", max_attempts=2)
def endless(key: str, context: Context) -> None:
    """Runs until it is told to stop."""
    note(key, "begun")
    while not context.cancelled:
        time.sleep(0.02)
    context.raise_if_cancelled()


run = rq_handler(registry, guard)
