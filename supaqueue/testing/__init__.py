"""Test helpers for users: the queue in memory, handlers run until nothing is left, and what was enqueued.

The pytest fixtures `supaqueue_database`, `supaqueue_queue` and `supaqueue_async_queue` are there wherever the
package is installed.
"""

from supaqueue.testing.assertions import ANY, assert_enqueued, assert_not_enqueued, enqueued
from supaqueue.testing.memory import AsyncMemoryTransport, Clock, MemoryDatabase, MemoryTransport
from supaqueue.testing.running import async_run_until_empty, run_until_empty
from supaqueue.testing.source import declare_task_types
from supaqueue.testing.summary import NeverEmpty, RunSummary

__all__ = [
    "ANY",
    "AsyncMemoryTransport",
    "Clock",
    "MemoryDatabase",
    "MemoryTransport",
    "NeverEmpty",
    "RunSummary",
    "assert_enqueued",
    "assert_not_enqueued",
    "async_run_until_empty",
    "declare_task_types",
    "enqueued",
    "run_until_empty",
]
