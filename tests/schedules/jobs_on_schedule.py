"""What a worker under test serves: a handler, and schedules declared in code."""

from __future__ import annotations

import os

from supaqueue import Context, Registry
from supaqueue.schedule import tick_of

registry = Registry()
QUEUE = os.environ["SCHEDULED_QUEUE"]


@registry.task("report")
async def report(days: int, context: Context) -> str:
    """Says which tick it is for."""
    return f"{days} days until {tick_of(context.job_id):%M:%S}"


registry.schedule("hourly report", "0 * * * *", task_type="report", payload=7, queue=QUEUE)
registry.schedule("never mind", "0 0 1 1 *", task_type="report", payload=1, queue=QUEUE)
