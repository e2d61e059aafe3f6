"""The handler of a load test's own jobs: it does nothing, so that what is measured is the queue."""

from __future__ import annotations

from supaqueue.cli.loadtest.plan import TASK_TYPE
from supaqueue.worker import Registry

registry = Registry()


@registry.task(TASK_TYPE)
async def do_nothing() -> None:
    """Do nothing."""
