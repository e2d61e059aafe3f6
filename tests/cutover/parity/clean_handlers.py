"""Handlers that both systems run, and whose effects fail at random: each at its first attempts, then no more.

The job's id draws how often, so that it is the same in both systems and in every process.
"""

from __future__ import annotations

import time
from typing import Any

from supaqueue.worker import Context, Registry

BUSY_SECONDS = 0.05

registry = Registry()


class NoMailServer(ConnectionError):
    """What a flaky effect raises."""


@registry.task("sum", backoff=0.1, max_attempts=50)
def add(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """Is done at once."""
    # A float from 1e16 on comes from Postgres as an int, and those add up exactly.
    return {"sum": sum(map(float, payload["numbers"])), "n": payload["n"]}


@registry.task("mail", backoff=0.1, max_attempts=50)
def mail(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """Its effect fails at no, one or two attempts."""
    context.sync_effect(_send, context)
    return {"mailed": payload["n"]}


@registry.task("busy", backoff=0.1, max_attempts=50)
def work(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """Takes a moment, so that a killed worker is inside of it."""
    time.sleep(BUSY_SECONDS)
    return {"squared": payload["n"] ** 2}


def _send(context: Context) -> None:
    if context.attempt <= int(context.job_id[-6:-4], 16) % 3:
        raise NoMailServer("try again")
