"""What an application registers of its records, so that those in doubt are settled for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from supaqueue.answer import AbandonAnswer
from supaqueue.client.undoing import Abandons, OnJobs, settle_unknown
from supaqueue.errors import InvalidInput, SupaqueueError
from supaqueue.job_id import check_job_id
from supaqueue.worker.attribute import where


class RecordsFailed(SupaqueueError):
    """A function that an application registered did not do what it is for; the cause says where it failed."""


@dataclass(frozen=True, slots=True)
class Records:
    """What is to be done about records that say `enqueue_unknown`; see `settle_unknown`.

    The functions are called from a thread, perhaps by several processes at once, and again for the same
    records after a failure.

    Attributes:
        unknown: returns the job ids of records in doubt, at most as many as it is told, of those old enough
            for their request to be over.
        undo: removes the records of these jobs; nothing runs them any more, and some may have gone already.
        keep: says in the records of these jobs that they are enqueued; raises if one is not there.
    """

    unknown: Callable[[int], Sequence[str]]
    undo: OnJobs
    keep: OnJobs

    def settle(self, queue: Abandons, limit: int) -> list[AbandonAnswer]:
        """Settle at most `limit` records, and return what was found out of their jobs, in order.

        Args:
            queue: a `Queue`, or a cutover's router.
            limit: 1 to 1,000.

        Raises:
            CallError: nothing was found out.
            RecordsFailed: a function raised, or what `unknown` returned are no ids.
        """
        job_ids = self._in_doubt(limit)
        return settle_unknown(queue, job_ids, undo=self._undo, keep=self._keep) if job_ids else []

    def _in_doubt(self, limit: int) -> list[str]:
        with _naming("unknown"):
            found = list(self.unknown(limit))[:limit]
        try:
            return [check_job_id(job_id, field=f"[{place}]") for place, job_id in enumerate(found)]
        except InvalidInput as error:
            raise RecordsFailed(
                f"what the records' `unknown` returned are no ids of jobs: {error}"
            ) from error

    def _undo(self, job_ids: Sequence[str]) -> None:
        with _naming("undo"):
            self.undo(job_ids)

    def _keep(self, job_ids: Sequence[str]) -> None:
        with _naming("keep"):
            self.keep(job_ids)


@contextmanager
def _naming(function: str) -> Iterator[None]:
    """Say of an error in the block which of the application's functions it is of."""
    try:
        yield
    except Exception as error:
        raise RecordsFailed(f"the records' `{function}` failed: {where(error)}") from error
