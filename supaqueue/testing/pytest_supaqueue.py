"""The pytest plugin, installed as a module of its own: pytest imports it at every start, the package only if
a test asks for a fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from supaqueue import AsyncQueue, Queue
    from supaqueue.testing import MemoryDatabase


@pytest.fixture
def supaqueue_database() -> MemoryDatabase:
    """A database in memory that only this test uses; its clock is moved by hand."""
    from supaqueue.testing import MemoryDatabase

    return MemoryDatabase()


@pytest.fixture
def supaqueue_queue(supaqueue_database: MemoryDatabase) -> Queue:
    """A `Queue` on the test's `supaqueue_database`."""
    from supaqueue import Queue
    from supaqueue.testing import MemoryTransport

    return Queue(transport=MemoryTransport(supaqueue_database))


@pytest.fixture
def supaqueue_async_queue(supaqueue_database: MemoryDatabase) -> AsyncQueue:
    """An `AsyncQueue` on the test's `supaqueue_database`."""
    from supaqueue import AsyncQueue
    from supaqueue.testing import AsyncMemoryTransport

    return AsyncQueue(transport=AsyncMemoryTransport(supaqueue_database))
