"""Test helpers for users: the queue in memory, handlers run until nothing is left, and what was enqueued."""

from supaqueue.testing.memory import AsyncMemoryTransport, Clock, MemoryDatabase, MemoryTransport

__all__ = ["AsyncMemoryTransport", "Clock", "MemoryDatabase", "MemoryTransport"]
