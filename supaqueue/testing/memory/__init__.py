"""The queue's functions in memory, one room each: what sql/functions does, without a server.

It is a model of the semantics, held to the real functions by tests/contract, which run over both.
"""

from supaqueue.testing.memory.clock import Clock
from supaqueue.testing.memory.database import MemoryDatabase
from supaqueue.testing.memory.functions import FUNCTIONS, NOT_OFFERED
from supaqueue.testing.memory.transport import AsyncMemoryTransport, MemoryTransport

__all__ = ["FUNCTIONS", "NOT_OFFERED", "AsyncMemoryTransport", "Clock", "MemoryDatabase", "MemoryTransport"]
