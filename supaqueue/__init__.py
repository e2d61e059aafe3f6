"""A job queue that lives in Supabase."""

from supaqueue import errors
from supaqueue.client import AsyncQueue, Queue
from supaqueue.contract import NewJob
from supaqueue.job import EnqueueAnswer, Job
from supaqueue.outcome import Cancel, Done, Fail, Retry, Snooze
from supaqueue.version import __version__

__all__ = [
    "AsyncQueue",
    "Cancel",
    "Done",
    "EnqueueAnswer",
    "Fail",
    "Job",
    "NewJob",
    "Queue",
    "Retry",
    "Snooze",
    "__version__",
    "errors",
]
