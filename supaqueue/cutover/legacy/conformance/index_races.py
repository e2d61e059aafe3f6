"""Conformance of an index: several that do the same at the same time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from typing import TypeVar

from supaqueue.contract import NewJob
from supaqueue.cutover.legacy.conformance.subjects import (
    BEGINNING,
    FAR_FUTURE,
    LONG,
    IndexSubject,
    accepted,
    some_jobs,
)
from supaqueue.cutover.legacy.index import Index
from supaqueue.cutover.stamp import Stamp

Answer = TypeVar("Answer")
Subject = TypeVar("Subject")
CALLERS = 4


def at_once_with(
    connect: Callable[[], Subject], calls: Sequence[Callable[[Subject], Answer]]
) -> list[Answer]:
    """Make calls in threads of their own, each over a connection of its own, as nearly at once as can be."""
    ready = threading.Barrier(len(calls), timeout=60)

    def make(call: Callable[[Subject], Answer]) -> Answer:
        subject = connect()
        ready.wait()
        return call(subject)

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(make, calls))


class IndexRaces(IndexSubject):
    """See the module."""

    def test_of_many_accepts_one_creates(self, connect_index: Callable[[], Index]) -> None:
        jobs = some_jobs(20)
        calls = [lambda index: [one.answer for one in index.accept(jobs)]] * CALLERS
        for answers in zip(*at_once_with(connect_index, calls), strict=True):
            assert Counter(answers) == {"created": 1, "exists": CALLERS - 1}

    def test_of_processes_too_one_creates(self, connect_index: Callable[[], Index]) -> None:
        jobs = some_jobs(50)
        with ProcessPoolExecutor(2, get_context("spawn")) as processes:
            futures = [processes.submit(_accept_one_by_one, connect_index, jobs) for _ in range(2)]
            for answers in zip(*(future.result() for future in futures), strict=True):
                assert sorted(answers) == ["created", "exists"]

    def test_of_many_runners_one_starts(self, connect_index: Callable[[], Index]) -> None:
        index = connect_index()
        for _ in range(10):
            stamp = accepted(index)
            calls = [_starting(stamp, f"runner {number}") for number in range(CALLERS)]
            assert Counter(at_once_with(connect_index, calls)) == {"started": 1, "busy": CALLERS - 1}

    def test_a_job_is_started_or_closed_never_both(self, connect_index: Callable[[], Index]) -> None:
        index = connect_index()
        for _ in range(10):
            stamp = accepted(index)
            answers = at_once_with(connect_index, [_starting(stamp, "runner"), _abandoning(stamp.job_id)])
            assert answers in (["started", "started"], ["closed", "closed"])

    def test_of_many_releases_one_releases(self, connect_index: Callable[[], Index]) -> None:
        index = connect_index()
        jobs = some_jobs(20)
        index.park(jobs)
        stamps = [Stamp(job.job_id, 1) for job in jobs]
        for answers in zip(
            *at_once_with(connect_index, [lambda one: one.release(stamps, jobs)] * CALLERS), strict=True
        ):
            assert Counter(answers) == {"released": 1, "exists": CALLERS - 1}

    def test_a_list_misses_nothing_that_comes_meanwhile(self, connect_index: Callable[[], Index]) -> None:
        batches = [[some_jobs(3) for _ in range(20)] for _ in range(2)]
        open_writers = [1, 1]

        def write(index: Index, number: int) -> list[str]:
            for batch in batches[number]:
                index.accept(batch)
            open_writers[number] = 0
            return []

        calls: list[Callable[[Index], list[str]]] = [
            lambda index: write(index, 0),
            lambda index: write(index, 1),
            lambda index: _follow(index, lambda: any(open_writers)),
        ]
        listed = at_once_with(connect_index, calls)[2]
        stored = connect_index().list_by_time(BEGINNING, FAR_FUTURE, None, 1000)
        assert listed == [entry.job_id for entry in stored]
        assert len(listed) == 120


def _follow(index: Index, goes_on: Callable[[], bool]) -> list[str]:
    listed: list[str] = []
    after: tuple[datetime, str] | None = None
    while True:
        is_last = not goes_on()
        while page := index.list_by_time(BEGINNING, FAR_FUTURE, after, 2):
            listed += [entry.job_id for entry in page]
            after = (page[-1].accepted_at, page[-1].job_id)
        if is_last:
            return listed


def _starting(stamp: Stamp, runner: str) -> Callable[[Index], str]:
    return lambda index: index.start(stamp, runner, LONG)


def _abandoning(job_id: str) -> Callable[[Index], str]:
    return lambda index: index.close([job_id], "abandoned")[0]


def _accept_one_by_one(connect_index: Callable[[], Index], jobs: Sequence[NewJob]) -> list[str]:
    index = connect_index()
    return [index.accept([job])[0].answer for job in jobs]
