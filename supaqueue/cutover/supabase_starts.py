"""How a guard asks Supabase whether a job that was handed over may run."""

from __future__ import annotations

from typing import Literal

from supaqueue.contract import StartLegacy
from supaqueue.transport import Transport


class StartsInSupabase:
    """Asks over a transport. Safe to share between threads.

    Args:
        transport: to Supabase; not closed here.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __call__(self, job_id: str, epoch: int) -> Literal["started", "stale", "unknown"]:
        """Win the right to run a job under an epoch.

        Raises:
            CallError: Supabase gave no usable answer.
        """
        [answer] = self._transport.send(StartLegacy(((job_id, epoch),)))
        return answer.answer
