"""Counting the calls that a worker lives by, so that it can tell how many of them fail."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any, TypeVar

from supaqueue.contract import Call, CallTotals, ClaimJobTasks, FinishJobTasks
from supaqueue.errors import CallError
from supaqueue.transport import AsyncTransport

Reply = TypeVar("Reply")


class CountedCalls:
    """A transport that counts claims and finishes, after all that it tried again itself.

    Args:
        transport: what carries them; not closed here.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._totals = CallTotals(str(uuid.uuid4()))

    @property
    def totals(self) -> CallTotals:
        """All since the beginning; read it from any thread."""
        return self._totals

    async def send(self, call: Call[Reply]) -> Reply:
        """Send a call.

        Raises:
            CallError: as the transport says.
        """
        try:
            reply = await self._transport.send(call)
        except CallError:
            self._count(call, failed=1)
            raise
        self._count(call, failed=0)
        return reply

    async def aclose(self) -> None:
        """Do nothing: whoever made the transport closes it."""

    def _count(self, call: Call[Any], *, failed: int) -> None:
        totals = self._totals
        if isinstance(call, ClaimJobTasks):
            self._totals = replace(
                totals, claims_sent=totals.claims_sent + 1, claims_failed=totals.claims_failed + failed
            )
        elif isinstance(call, FinishJobTasks):
            self._totals = replace(
                totals,
                finishes_sent=totals.finishes_sent + 1,
                finishes_failed=totals.finishes_failed + failed,
            )
