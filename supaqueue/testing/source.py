"""Which database a test means: itself, or the one behind a transport or a client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from supaqueue.client import AsyncQueue, Queue
from supaqueue.client.batches import ROWS_PER_CALL, parts
from supaqueue.contract import GetJobs, SetTaskTypes
from supaqueue.errors import ConfigurationError
from supaqueue.job import Job
from supaqueue.testing.memory import AsyncMemoryTransport, MemoryDatabase, MemoryTransport
from supaqueue.worker import Registry

Source: TypeAlias = MemoryDatabase | MemoryTransport | AsyncMemoryTransport | Queue | AsyncQueue


def database_of(source: Source) -> MemoryDatabase:
    """Return the database in memory that `source` is or leads to.

    Raises:
        ConfigurationError: it leads elsewhere.
    """
    if isinstance(source, MemoryDatabase):
        return source
    transport = source._transport if isinstance(source, Queue | AsyncQueue) else source
    if isinstance(transport, MemoryTransport | AsyncMemoryTransport):
        return transport.database
    raise ConfigurationError(
        "give a MemoryDatabase, or a queue on one: Queue(transport=MemoryTransport(database))"
    )


def declare_task_types(registry: Registry, source: Source) -> None:
    """Declare what handlers say of their types: attempts, backoff, timeout, deadline. A worker does it first.

    They hold for what is enqueued from then on; `run_until_empty` declares them too.
    """
    if registry.options:
        MemoryTransport(database_of(source)).send(SetTaskTypes(registry.options))


def read_jobs(database: MemoryDatabase, job_ids: Sequence[str]) -> list[Job]:
    """Return these jobs with payload and history; those that are not there are left out."""
    transport = MemoryTransport(database)
    return [
        job
        for part in parts(job_ids, ROWS_PER_CALL)
        for job in transport.send(GetJobs(part, with_payload=True, with_attempts=True))
        if job is not None
    ]
