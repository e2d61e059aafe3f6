"""What applications call: one queue in two colours, sync and async."""

from supaqueue.client.async_queue import AsyncQueue
from supaqueue.client.queue import Queue
from supaqueue.client.source import SupabaseClient

__all__ = ["AsyncQueue", "Queue", "SupabaseClient"]
