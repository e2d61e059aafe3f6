"""A queue as far as a load test needs it, and how a job went from here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from supaqueue.answer import AbandonAnswer, CancelAnswer, EnqueueAnswer
from supaqueue.contract import Stats
from supaqueue.job import Job


class LoadQueue(Protocol):
    """`AsyncQueue`, or what has its interface."""

    async def enqueue(
        self, task_type: str, payload: object = None, *, queue: str = "default", tags: Iterable[str] = ()
    ) -> EnqueueAnswer:
        """Store one job."""

    async def get_many(
        self, job_ids: Iterable[str], *, with_payload: bool = False, with_attempts: bool = False
    ) -> list[Job | None]:
        """Read jobs."""

    async def cancel_many(self, job_ids: Iterable[str]) -> list[CancelAnswer]:
        """Cancel jobs."""

    async def abandon(self, job_ids: Iterable[str]) -> list[AbandonAnswer]:
        """Take back enqueues."""

    async def stats(self, queue: str | Iterable[str] | None = None) -> Stats:
        """Count tasks."""

    async def aclose(self) -> None:
        """Close the connections."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job that was enqueued; when it was due, sent and answered, by this machine's clock."""

    job_id: str
    due: float
    sent: float
    answered: float
