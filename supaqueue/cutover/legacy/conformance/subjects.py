"""What the suites are about: the fixtures to override, and jobs to try them with."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import pytest

from supaqueue.contract import NewJob
from supaqueue.cutover.legacy.entry import Ending, Entry
from supaqueue.cutover.legacy.index import Index
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.stamp import Stamp

Answer = TypeVar("Answer")

DONE = Ending("completed", result={"rows": [1, 2.5, None, "ä"]}, attempts=1)
LONG = 600.0
"""Seconds that no test lasts."""
SHORT = 0.05
"""Seconds after which a run marker is free again: waited for, never counted on."""
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
FAR_FUTURE = datetime(2200, 1, 1, tzinfo=UTC)


class IndexSubject:
    """An index to be tried."""

    @pytest.fixture
    def connect_index(self) -> Callable[[], Index]:
        """Return what opens the same empty index again and again; override it."""
        raise NotImplementedError("override the fixture connect_index")

    @pytest.fixture
    def index(self, connect_index: Callable[[], Index]) -> Index:
        """The index."""
        return connect_index()


class QueueSubject:
    """A queue to be tried."""

    @pytest.fixture
    def connect(self) -> Callable[[], LegacyQueue]:
        """Return what opens the same empty queue again and again; override it."""
        raise NotImplementedError("override the fixture connect")

    @pytest.fixture
    def put_unstamped(self) -> Callable[[NewJob], None]:
        """Return what sends a job's type, payload and `run_at` around the router; override it."""
        raise NotImplementedError("override the fixture put_unstamped")

    @pytest.fixture
    def queue(self, connect: Callable[[], LegacyQueue]) -> LegacyQueue:
        """The queue."""
        return connect()


def a_job(number: int = 0) -> NewJob:
    """Return a job unlike every other."""
    return NewJob("conformance", {"number": number})


def some_jobs(count: int) -> list[NewJob]:
    """Return jobs."""
    return [a_job(number) for number in range(count)]


def accepted(index: Index) -> Stamp:
    """Return the stamp of a job that was accepted and published."""
    job = a_job()
    index.accept([job])
    index.published([(Stamp(job.job_id), f"native-{job.job_id}")])
    return Stamp(job.job_id)


def entry_of(index: Index, job_id: str) -> Entry:
    """Return an entry that must be there."""
    (entry,) = index.get([job_id])
    assert entry is not None
    return entry


def eventually(call: Callable[[], Answer], wanted: Answer, seconds: float = 20.0) -> None:
    """Make a call until it is answered as wanted."""
    give_up_at = time.monotonic() + seconds
    while (answer := call()) != wanted:
        assert time.monotonic() < give_up_at, f"still {answer!r}, not {wanted!r}"
        time.sleep(0.01)
