"""What applications call: one queue in two colours, sync and async."""

from supaqueue.client.async_queue import AsyncQueue
from supaqueue.client.async_undoing import async_enqueue_or_undo, async_settle_unknown
from supaqueue.client.queue import Queue
from supaqueue.client.records import Records
from supaqueue.client.source import SupabaseClient
from supaqueue.client.undoing import enqueue_or_undo, settle_unknown

__all__ = [
    "AsyncQueue",
    "Queue",
    "Records",
    "SupabaseClient",
    "async_enqueue_or_undo",
    "async_settle_unknown",
    "enqueue_or_undo",
    "settle_unknown",
]
