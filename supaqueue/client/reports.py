"""What a client tells telemetry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from supaqueue.contract import Call, NewJob
from supaqueue.errors import QueueUnavailable
from supaqueue.job import EnqueueAnswer
from supaqueue.telemetry import Telemetry, events


class Reports:
    """Emits `job_enqueued` per row answered, and `queue_unavailable`; nothing without telemetry."""

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

    def enqueued(self, jobs: Iterable[NewJob], answers: Iterable[EnqueueAnswer]) -> None:
        """Report what each of `jobs` was answered."""
        if self._telemetry is None:
            return
        for job, answer in zip(jobs, answers, strict=True):
            self._telemetry.emit(
                events.JobEnqueued(
                    job_id=job.job_id, queue=job.queue, task_type=job.task_type, answer=answer.answer
                )
            )


def _unavailable(error: QueueUnavailable, call: Call[Any]) -> events.QueueUnavailable:
    return events.QueueUnavailable(
        call=error.call,
        committed=error.committed,
        error_type=error.cause or type(error).__name__,
        http_status=error.http_status,
        jobs=max(1, len(call.concerns())),
    )
