"""The queue's database, in memory: for tests, without a server."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any

from supaqueue.contract import Json
from supaqueue.contract.json_value import encode
from supaqueue.job import ENDED
from supaqueue.testing.memory.clock import Clock
from supaqueue.testing.memory.due import next_due
from supaqueue.testing.memory.functions import FUNCTIONS
from supaqueue.testing.memory.refused import UNSTORABLE_TEXT, Refused
from supaqueue.testing.memory.tables import Tables


class MemoryDatabase:
    """What the SQL functions do, done in memory: the same answers, the same refusals, no server.

    Its clock stands still until it is advanced. Safe to share between threads: one call at a time. It is for
    tests: nothing is kept on disk, and a claim looks through every task.

    Attributes:
        clock: the database's time, moved by hand.

    Args:
        start: the time that the clock begins with, an aware one; by default the present.
        seed: what the jitter of retries is drawn from; by default they differ from run to run.
    """

    def __init__(self, start: datetime | None = None, *, seed: int | None = None) -> None:
        self.clock = Clock(start)
        self._tables = Tables(self.clock.now(), Random(seed))  # noqa: S311
        self._lock = threading.Lock()

    def call(self, function: str, arguments: bytes) -> Json:
        """Make one call, whole or not at all, and return its answer.

        Args:
            arguments: by name, as one JSON object in UTF-8.

        Raises:
            Refused: the function refused it, and nothing was changed.
        """
        given = _read(arguments)
        with self._lock:
            self._tables.now = self.clock.now()
            answer = FUNCTIONS[function](self._tables, **given)
            read: Json = _read(encode(answer).encode())
        return read

    def next_due(self, queues: Collection[str], task_types: Collection[str]) -> datetime | None:
        """Return when the next waiting task of these queues and types may run, if that is later than now."""
        with self._lock:
            self._tables.now = self.clock.now()
            return next_due(self._tables, queues, task_types)

    def job_ids(self, *, unended_only: bool = False) -> list[str]:
        """Return the ids of the jobs that were enqueued, in that order."""
        with self._lock:
            return [
                job.job_id
                for job in self._tables.jobs.values()
                if job.content is not None
                and job.deduped_into is None
                and not (unended_only and job.status in ENDED)
            ]


def _read(text: bytes) -> Any:
    """Read JSON as jsonb does: large numbers are written out, and zero has no sign."""
    value = json.loads(text, parse_float=_number)
    if rb"\u0000" in text and _has_null_character(value):
        raise Refused(UNSTORABLE_TEXT, "unsupported Unicode escape sequence")
    return value


def _number(text: str) -> float | int:
    plain = format(Decimal(text), "f")
    return float(plain) + 0.0 if "." in plain else int(plain)


def _has_null_character(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_null_character, (*value, *value.values())))
    if isinstance(value, list):
        return any(map(_has_null_character, value))
    return isinstance(value, str) and "\0" in value
