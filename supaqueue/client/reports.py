"""What a client tells telemetry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from supaqueue.answer import EnqueueAnswer
from supaqueue.contract import Call, NewJob, Stats
from supaqueue.errors import QueueUnavailable
from supaqueue.telemetry import Telemetry, events


class Reports:
    """Emits `job_enqueued`, `queue_unavailable` and `queue_depth`; nothing without telemetry."""

    def __init__(self, telemetry: Telemetry | None) -> None:
        self._telemetry = telemetry

    @contextmanager
    def watch(self, call: Call[Any]) -> Iterator[None]:
        """Report it if `call`, made in the block, found the queue unavailable."""
        try:
            yield
        except QueueUnavailable as error:
            if self._telemetry is not None:
                self._telemetry.emit(_unavailable(error, call))
            raise

    def counted(self, stats: Stats) -> None:
        """Report how much each queue holds, for the gauges."""
        if self._telemetry is not None:
            for depth in _depths(stats):
                self._telemetry.emit(depth)

    def enqueued(self, jobs: Iterable[NewJob], answers: Iterable[EnqueueAnswer]) -> None:
        """Report what each of `jobs` was answered."""
        if self._telemetry is None:
            return
        for job, answer in zip(jobs, answers, strict=True):
            if answer.answer != "flag_changed":
                self._telemetry.emit(
                    events.JobEnqueued(
                        job_id=job.job_id, queue=job.queue, task_type=job.task_type, answer=answer.answer
                    )
                )


def _depths(stats: Stats) -> Iterator[events.QueueDepth]:
    for queue in sorted({row.queue for row in stats.counts}):
        tasks = Counter[str]()
        for row in stats.counts:
            if row.queue == queue:
                tasks[row.status] += row.tasks
        yield events.QueueDepth(
            queue=queue,
            pending=tasks["pending"] + tasks["blocked"],
            processing=tasks["claimed"] + tasks["processing"],
            failed=tasks["failed"],
        )


def _unavailable(error: QueueUnavailable, call: Call[Any]) -> events.QueueUnavailable:
    return events.QueueUnavailable(
        call=error.call,
        committed=error.committed,
        error_type=error.cause or type(error).__name__,
        http_status=error.http_status,
        jobs=max(1, len(call.concerns())),
    )
