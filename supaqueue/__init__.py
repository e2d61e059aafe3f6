"""A job queue that lives in Supabase."""

from supaqueue import errors
from supaqueue.answer import EnqueueAnswer
from supaqueue.client import AsyncQueue, Queue
from supaqueue.contract import NewJob
from supaqueue.job import Job
from supaqueue.outcome import Cancel, Done, Fail, Retry, Snooze
from supaqueue.version import __version__
from supaqueue.worker import Context, Registry, Worker

__all__ = [
    "AsyncQueue",
    "Cancel",
    "Context",
    "Done",
    "EnqueueAnswer",
    "Fail",
    "Job",
    "NewJob",
    "Queue",
    "Registry",
    "Retry",
    "Snooze",
    "Worker",
    "__version__",
    "errors",
]
