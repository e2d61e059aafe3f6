"""A job queue that lives in Supabase."""

from supaqueue import errors
from supaqueue.answer import EnqueueAnswer
from supaqueue.backoff import Backoff
from supaqueue.client import (
    AsyncQueue,
    Queue,
    Records,
    async_enqueue_or_undo,
    async_settle_unknown,
    enqueue_or_undo,
    settle_unknown,
)
from supaqueue.contract import NewJob, NewTask, sequence
from supaqueue.job import DeadLetter, Job
from supaqueue.job_id import new_job_id
from supaqueue.outcome import Cancel, Done, Fail, Retry, Snooze
from supaqueue.running_limit import RunningLimit, RunningLimitUse
from supaqueue.settings import DatabaseSettings, Settings
from supaqueue.unique import Unique
from supaqueue.version import __version__
from supaqueue.worker import Context, Registry, Worker

__all__ = [
    "AsyncQueue",
    "Backoff",
    "Cancel",
    "Context",
    "DatabaseSettings",
    "DeadLetter",
    "Done",
    "EnqueueAnswer",
    "Fail",
    "Job",
    "NewJob",
    "NewTask",
    "Queue",
    "Records",
    "Registry",
    "Retry",
    "RunningLimit",
    "RunningLimitUse",
    "Settings",
    "Snooze",
    "Unique",
    "Worker",
    "__version__",
    "async_enqueue_or_undo",
    "async_settle_unknown",
    "enqueue_or_undo",
    "errors",
    "new_job_id",
    "sequence",
    "settle_unknown",
]
