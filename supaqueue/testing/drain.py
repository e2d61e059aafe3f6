"""What both colours of running until empty share: which task is next, and what it came to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import cast
from uuid import uuid4

from supaqueue.contract import (
    ClaimedTask,
    ClaimJobTasks,
    CountJobs,
    FinishAnswer,
    FinishJobTasks,
    HeartbeatAnswer,
    HeartbeatJobTasks,
)
from supaqueue.settings import MAX_JSON_BYTES
from supaqueue.telemetry import Telemetry
from supaqueue.testing.memory import AsyncMemoryTransport, MemoryDatabase, MemoryTransport
from supaqueue.testing.source import declare_task_types, read_jobs
from supaqueue.testing.summary import NeverEmpty, RunSummary
from supaqueue.worker import Registry
from supaqueue.worker.leases import Leases
from supaqueue.worker.results import Results
from supaqueue.worker.run import Ended
from supaqueue.worker.runner import Runner

LEASE_SECONDS = 3600.0
TOTAL_LIMIT = 10_000
"""Runs of all tasks together: handlers may enqueue jobs whose handlers enqueue jobs."""


class Drain:
    """Claims one task at a time, and reports what the worker's own runner made of it.

    Attributes:
        runner: takes each task that `next_task` returns; `idle` once it has ended.
    """

    def __init__(
        self,
        registry: Registry,
        database: MemoryDatabase,
        queues: Sequence[str] | None,
        advance: bool,
        limit: int,
        threads: Executor,
        on_idle: Callable[[], None],
        tell: Callable[[Callable[[HeartbeatAnswer], None], HeartbeatAnswer], object],
    ) -> None:
        self._task_types = tuple(registry.handlers)
        self._database = database
        self._transport = MemoryTransport(database)
        self._queues = queues
        self._advance = advance
        self._limit = limit
        self._on_idle = on_idle
        self._tell = tell
        self._worker_id = f"run_until_empty:{uuid4().hex[:8]}"
        self._runs: Counter[tuple[str, int]] = Counter()
        self._job_ids: dict[str, None] = {}
        self._came_to: Counter[str] = Counter()
        self._raised: list[BaseException] = []
        self.idle = True
        self.runner = Runner(
            registry=registry,
            leases=Leases(),
            worker_id=self._worker_id,
            concurrency=1,
            max_result_bytes=MAX_JSON_BYTES,
            telemetry=Telemetry(),
            threads=cast(ThreadPoolExecutor, threads),
            results=Results(AsyncMemoryTransport(database), self._worker_id),
            on_end=self._ended,
            on_free=self._free,
            on_crowding=lambda _: None,
            on_stuck=lambda _: None,
            on_progress=self._send_progress,
        )
        declare_task_types(registry, database)

    def next_task(self) -> ClaimedTask | None:
        """Claim a task and report its start; None if nothing is left that could run.

        Raises:
            NeverEmpty: it has run too often, or all together have.
        """
        task = self._claim()
        while task is None and self._advance and self._advance_to_next_due():
            task = self._claim()
        if task is not None:
            self._count(task)
            self.idle = False
            self._transport.send(HeartbeatJobTasks(self._worker_id, (task.ref,), (task.ref,), LEASE_SECONDS))
        return task

    def raise_what_ends_a_test(self) -> None:
        """Raise what a handler raised if the test is to have it: Ctrl-C, or what pytest.fail raises."""
        if self._raised and not isinstance(self._raised[-1], Exception | SystemExit | asyncio.CancelledError):
            raise self._raised[-1]

    def summary(self) -> RunSummary:
        """Return what all came to."""
        return RunSummary(
            runs=self._runs.total(),
            completed=self._came_to["completed"],
            failed=self._came_to["failed"],
            cancelled=self._came_to["cancelled"],
            retried=self._came_to["retry"],
            snoozed=self._came_to["snooze"],
            jobs=tuple(read_jobs(self._database, tuple(self._job_ids))),
            left=tuple(read_jobs(self._database, self._database.job_ids(unended_only=True))),
            raised=tuple(self._raised),
        )

    def _claim(self) -> ClaimedTask | None:
        queues = self._served_queues()
        if not queues or not self._task_types:
            return None
        claim = ClaimJobTasks(
            request_id=str(uuid4()),
            worker_id=self._worker_id,
            queues=queues,
            task_types=self._task_types,
            want=1,
            holding=0,
            lease_seconds=LEASE_SECONDS,
            marks={},
        )
        claimed = self._transport.send(claim)
        for late in claimed.failed:
            self._job_ids[late.job_id] = None
            self._came_to["failed"] += 1
        return next(iter(claimed.tasks), None)

    def _served_queues(self) -> tuple[str, ...]:
        if self._queues is not None:
            return tuple(self._queues)
        return tuple(sorted({count.queue for count in self._transport.send(CountJobs()).counts}))

    def _advance_to_next_due(self) -> bool:
        due = self._database.next_due(self._served_queues(), self._task_types)
        if due is not None:
            self._database.clock.advance_to(due)
        return due is not None

    def _count(self, task: ClaimedTask) -> None:
        self._job_ids[task.job_id] = None
        self._runs[task.job_id, task.task_number] += 1
        if self._runs[task.job_id, task.task_number] > self._limit:
            raise NeverEmpty(
                f"{task.task_type} of job {task.job_id} has run {self._limit} times and has not ended"
                f" (attempt {task.attempt} of {task.max_attempts} is next): does its handler retry or snooze"
                " for ever? Give a higher limit= if it is meant to"
            )
        if self._runs.total() > TOTAL_LIMIT:
            raise NeverEmpty(
                f"{TOTAL_LIMIT:,} runs, and {task.task_type} is next: do handlers enqueue jobs for ever?"
            )

    def _ended(self, ended: Ended) -> None:
        call = FinishJobTasks(self._worker_id, (ended.finished,))
        (answer,) = self._transport.send(call)
        self._came_to[_kind(ended, answer)] += 1
        if ended.exception is not None:
            self._raised.append(ended.exception)
        self.runner.leases.remove(ended.held.task.ref)
        self._free()

    def _send_progress(self) -> None:
        """Called where the handler runs: what it reports can be read at once, and it hears of a cancel."""
        for held in self.runner.leases.all():
            progress = held.report.next()
            if progress is None:
                continue
            ref = held.task.ref
            call = HeartbeatJobTasks(self._worker_id, (ref,), (), LEASE_SECONDS, {ref: progress})
            (answer,) = self._transport.send(call)
            held.report.confirm()
            if answer.answer != "held":
                self._tell(self.runner.heard, answer)

    def _free(self) -> None:
        self.idle = True
        self._on_idle()


def _kind(ended: Ended, answer: FinishAnswer) -> str:
    """Return the status that the task took, or where it waits again, what it said."""
    return ended.finished.outcome if answer.status == "pending" else str(answer.status)
