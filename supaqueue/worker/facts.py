"""What a worker tells telemetry of a task, as events."""

from __future__ import annotations

from typing import Literal, TypedDict

from supaqueue.contract import FinishAnswer, RescuedToFail
from supaqueue.errors import CallError, QueueUnavailable
from supaqueue.telemetry import events
from supaqueue.telemetry.events import Event, JobFailed, JobRetried, JobSucceeded, LeaseLost
from supaqueue.worker.leases import Held
from supaqueue.worker.run import Ended


class TaskIds(TypedDict):
    """What every event of a task carries."""

    job_id: str
    task_number: int
    queue: str
    task_type: str
    worker_id: str


def task_ids(held: Held) -> TaskIds:
    """The identity of a held task."""
    return TaskIds(
        job_id=held.task.job_id,
        task_number=held.task.task_number,
        queue=held.task.queue,
        task_type=held.task.task_type,
        worker_id=held.context.worker_id,
    )


def rescued_to_fail(task: RescuedToFail, worker_id: str) -> JobFailed:
    """A task that the database failed at a claim of this worker: its worker died, or its deadline passed."""
    return JobFailed(
        job_id=task.job_id,
        task_number=task.task_number,
        queue=task.queue,
        task_type=task.task_type,
        worker_id=worker_id,
        attempt=task.attempt,
        ran_seconds=0.0,
        error_type=task.error_type,
    )


def queue_unavailable(failed: CallError) -> events.QueueUnavailable | None:
    """A call of the worker's got no usable answer within its budget; None for any other failure."""
    if not isinstance(failed, QueueUnavailable):
        return None
    return events.QueueUnavailable(
        call=failed.call,
        committed=failed.committed,
        error_type=failed.cause or type(failed).__name__,
        http_status=failed.http_status,
    )


def lease_lost(held: Held, where: Literal["heartbeat", "finish", "read_results"]) -> LeaseLost:
    """The database said that the lease is another's, or nobody's."""
    return LeaseLost(**task_ids(held), where=where)


def finish_event(ended: Ended, answer: FinishAnswer) -> Event | None:
    """The event of a reported end: what the database recorded, not what the worker asked for."""
    if not ended.held.counts:
        return None
    held, finished = ended.held, ended.finished
    ids, attempt, ran = task_ids(held), held.task.attempt, finished.ran_seconds or 0.0
    error_type = finished.error.type if finished.error else None
    if answer.answer != "recorded":
        return lease_lost(held, "finish")
    if answer.status == "completed":
        return JobSucceeded(**ids, attempt=attempt, ran_seconds=ran, waited_seconds=held.task.waited_seconds)
    if answer.status == "failed":
        return JobFailed(
            **ids, attempt=attempt, ran_seconds=ran, error_type=error_type, exception=ended.exception
        )
    if answer.status == "pending" and finished.outcome == "retry":
        return JobRetried(
            **ids,
            attempt=attempt,
            ran_seconds=ran,
            retry_in_seconds=answer.retry_in_seconds or 0.0,
            error_type=error_type,
            exception=ended.exception,
        )
    return None
