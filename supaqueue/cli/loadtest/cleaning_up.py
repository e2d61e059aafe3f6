"""Takes away what a load test left behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from supaqueue.cli.loadtest.load_queue import LoadQueue
from supaqueue.cli.loadtest.plan import LoadPlan
from supaqueue.contract import PruneJobs, RetentionPolicy
from supaqueue.errors import SupaqueueError
from supaqueue.transport import AsyncTransport

JOBS_PER_CALL = 1000


@dataclass(frozen=True, slots=True)
class CleanedUp:
    """What became of the jobs.

    Attributes:
        cancelled: jobs that had not ended.
        removed: rows that are gone; 0 where the jobs are the user's own.
        failed: why it could not be done to the end; None if it was.
    """

    cancelled: int = 0
    removed: int = 0
    failed: str | None = None


async def clean_up(
    plan: LoadPlan,
    queue: LoadQueue,
    transport: AsyncTransport,
    unended: Sequence[str],
    in_doubt: Sequence[str],
    since: datetime | None,
) -> CleanedUp:
    """Cancel jobs that have not ended, take back those that may be stored, and remove the load test's own.

    Args:
        since: when the first job was stored, by the database's clock; None if none is known to be.
    """
    cancelled = removed = 0
    try:
        for begin in range(0, len(unended), JOBS_PER_CALL):
            answers = await queue.cancel_many(unended[begin : begin + JOBS_PER_CALL])
            cancelled += sum(answer.answer == "cancelled" for answer in answers)
        for begin in range(0, len(in_doubt), JOBS_PER_CALL):
            await queue.abandon(in_doubt[begin : begin + JOBS_PER_CALL])
        if plan.is_own and since is not None:
            removed = await _remove(plan, transport, since)
    except SupaqueueError as error:
        return CleanedUp(cancelled, removed, str(error))
    return CleanedUp(cancelled, removed)


async def _remove(plan: LoadPlan, transport: AsyncTransport, since: datetime) -> int:
    policy = RetentionPolicy(completed=0, failed=0, cancelled=0, queue=plan.queue, task_type=plan.task_type)
    # From its first job on: to walk all the jobs of a product, which are older, could take long.
    page: str | None = f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ} {UUID(int=0)}"
    removed = 0
    while page is not None:
        pruned = await transport.send(PruneJobs(str(uuid4()), policy, page, JOBS_PER_CALL))
        removed += sum(pruned.removed.values())
        page = pruned.next_page
    return removed
