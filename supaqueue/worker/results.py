"""What the tasks before one came to: read right before its handler runs, and never run without."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from supaqueue.contract import Json, ReadResults
from supaqueue.errors import CallError
from supaqueue.transport import AsyncTransport
from supaqueue.worker.leases import Held, Stop

_log = logging.getLogger(__name__)

UNREAD_PAUSE_SECONDS = 1.0
"""For so long a task whose results cannot be read stays here: what goes back comes again at once."""


@dataclass(frozen=True, slots=True)
class Results:
    """Reads results for the tasks that a worker holds."""

    transport: AsyncTransport
    worker_id: str

    async def hand_on(self, held: Held) -> bool:
        """Give a task the results of those before it, and return whether it may run.

        It may not if they cannot be read now, or if its lease is another's, which is then its `stop`.
        """
        if held.task.results_before == 0:
            return True
        try:
            results = await self._read(held)
        except CallError as failed:
            _log.warning(
                "job %s (%s) goes back: the results of the tasks before it could not be read (%s: %s)",
                held.task.job_id,
                held.task.task_type,
                type(failed).__name__,
                failed,
            )
            await asyncio.sleep(UNREAD_PAUSE_SECONDS)
            return False
        if results is None:
            held.stop = Stop.LEASE_LOST
            return False
        held.context = replace(held.context, results=results)
        return True

    async def _read(self, held: Held) -> Mapping[str, Json] | None:
        """Return the results by task name; None if the lease is lost."""
        results: dict[str, Json] = {}
        after: int | None = -1
        while after is not None:
            page = await self.transport.send(ReadResults(self.worker_id, held.task.ref, after))
            if page.answer == "lost":
                return None
            results |= page.results
            after = page.next_after
        return results
