"""An old queue as the router, the guard and the relay see it: its broker, and the index beside it.

The order of the writes is what keeps a job from being lost: the index says `intent` before the broker gets
the message, and `published` after. Whoever dies in between, a repeat publishes again, and the run marker
keeps a second copy from running.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from supaqueue.answer import AbandonAnswer, CancelAnswer, EnqueueAnswer
from supaqueue.contract import NewJob
from supaqueue.cutover.errors import NotExpressible
from supaqueue.cutover.legacy.broker import Broker
from supaqueue.cutover.legacy.entry import Ending, Entry, Message
from supaqueue.cutover.legacy.index import Accepted, AdoptAnswer, Index, ReleaseAnswer, UnstampedRun
from supaqueue.cutover.legacy.unstamped import Unstamped
from supaqueue.cutover.stamp import Stamp

PAGE = 1000
LABELS = frozenset(("tags", "tenant"))
"""Options that no handler sees: the index keeps them, whatever the broker."""


@dataclass(frozen=True, slots=True)
class Released:
    """What became of a job that was handed over to legacy."""

    job_id: str
    answer: ReleaseAnswer


class LegacyQueue:
    """An old queue. Safe for several threads and processes; every method may be repeated.

    Args:
        broker: the queue itself.
        index: what lies beside it.
    """

    def __init__(self, broker: Broker, index: Index) -> None:
        self.broker = broker
        self.index = index

    def check(self, job: NewJob) -> None:
        """Refuse what this queue cannot hold.

        Raises:
            NotExpressible: naming the option.
        """
        for option in job.options_given():
            if option not in LABELS and option not in self.broker.expresses:
                why = self.broker.cannot.get(option, f"{self.broker.name} has nothing like it")
                raise NotExpressible(f"the legacy queue may own this job, and {why}", field=option)

    def enqueue(self, jobs: Sequence[NewJob]) -> list[EnqueueAnswer]:
        """Accept jobs that legacy owns for sure, and publish them.

        Raises:
            NotExpressible: before anything is written.
            LegacyUnavailable: some may have been accepted; the same call again tells.
        """
        answers = self._enqueue(jobs, is_settled=True)
        return [answer for answer in answers if answer is not None]  # none is: nothing settled is refused

    def enqueue_unsettled(self, jobs: Sequence[NewJob]) -> list[EnqueueAnswer | None]:
        """Do the same with jobs that Supabase has not agreed to; None: reserved, so that it has to first.

        Raises:
            NotExpressible: before anything is written.
            LegacyUnavailable: some may have been accepted; the same call again tells.
        """
        return self._enqueue(jobs, is_settled=False)

    def _enqueue(self, jobs: Sequence[NewJob], *, is_settled: bool) -> list[EnqueueAnswer | None]:
        for job in jobs:
            self.check(job)
        accepted = self.index.accept(jobs, is_settled=is_settled)
        self._publish(
            [
                Message(Stamp(job.job_id), job, one.due_at)
                for job, one in zip(jobs, accepted, strict=True)
                if one.message_due
            ]
        )
        return [_told(job, one) for job, one in zip(jobs, accepted, strict=True)]

    def park(self, jobs: Sequence[NewJob]) -> None:
        """Keep inert copies of jobs that Supabase owns."""
        stored = self.index.park(jobs)
        self.broker.park(
            [Message(Stamp(job.job_id), job) for job, new in zip(jobs, stored, strict=True) if new]
        )

    def release(self, handed_over: Sequence[tuple[NewJob, int]]) -> list[Released]:
        """Publish jobs that were handed over, each under its epoch; their parked copies go."""
        stamps = [Stamp(job.job_id, epoch) for job, epoch in handed_over]
        jobs = [job for job, _ in handed_over]
        answers = self.index.release(stamps, jobs)
        # Before the publishing: once a job has run, no relay comes here again.
        self.broker.unpark([stamp.job_id for stamp in stamps])
        due = self.index.unpublished(stamps)
        self._publish(
            [
                Message(stamp, job, job.run_at)
                for stamp, job, is_due in zip(stamps, jobs, due, strict=True)
                if is_due
            ]
        )
        return [Released(stamp.job_id, one) for stamp, one in zip(stamps, answers, strict=True)]

    def settle(self, endings: Sequence[tuple[NewJob, Ending]]) -> None:
        """Note how Supabase ended jobs, and remove their parked copies."""
        self.index.settle(endings)
        self.broker.unpark([job.job_id for job, _ in endings])

    def get(self, job_ids: Sequence[str]) -> list[Entry | None]:
        """Return what is known of jobs, in order."""
        return self.index.get(job_ids)

    def list_by_time(self, since: datetime, until: datetime | None = None) -> Iterator[Entry]:
        """Return what was accepted from `since` on, in the order of time and id, page by page."""
        until = until or datetime.max.replace(tzinfo=UTC)
        after: tuple[datetime, str] | None = None
        while page := self.index.list_by_time(since, until, after, PAGE):
            yield from page
            after = (page[-1].accepted_at, page[-1].job_id)

    def list_unstamped_runs(
        self, since: datetime, until: datetime | None = None
    ) -> Iterator[Sequence[UnstampedRun]]:
        """Return, page by page, messages without a stamp that last began from `since` on, each of them once.

        What was made an entry is none any more. Notes are kept for a day; see `Index.start_unstamped`.
        """
        until = until or datetime.max.replace(tzinfo=UTC)
        after: tuple[datetime, str] | None = None
        listed: set[str] = set()
        while page := self.index.list_unstamped_runs(since, until, after, PAGE):
            entries = self.index.get([run.job_id for run in page])
            new = [
                run
                for run, entry in zip(page, entries, strict=True)
                if entry is None and run.job_id not in listed
            ]
            listed.update(run.job_id for run in new)
            yield new
            after = (page[-1].began_at, page[-1].job_id)

    def cancel(self, job_ids: Sequence[str]) -> list[CancelAnswer]:
        """Cancel what waits; ask what runs to stop, where the guard can."""
        before = self.index.get(job_ids)
        known = [entry.job_id for entry in before if entry is not None]
        closed = dict(zip(known, self.index.close(known, "cancelled"), strict=True))
        self.index.request_cancel([job_id for job_id in known if closed[job_id] == "started"])
        self._withdraw(entry for entry in before if entry and closed[entry.job_id] == "closed")
        answers: dict[str, Literal["cancelled", "requested", "finished"]] = {
            "closed": "cancelled",
            "started": "requested",
            "ended": "finished",
        }
        return [
            CancelAnswer(job_id, answers[closed[job_id]] if job_id in closed else "unknown")
            for job_id in job_ids
        ]

    def abandon(self, job_ids: Sequence[str]) -> list[AbandonAnswer]:
        """Take jobs back: what has not come by now can come no more, what waits will not start."""
        before = self.index.get(job_ids)
        closed = self.index.close(job_ids, "abandoned")
        self._withdraw(entry for entry, one in zip(before, closed, strict=True) if entry and one == "closed")
        return [
            AbandonAnswer(
                job_id, "started" if one != "closed" else "cancelled" if _has_come(entry) else "abandoned"
            )
            for job_id, entry, one in zip(job_ids, before, closed, strict=True)
        ]

    def adopt(self, messages: Sequence[Unstamped]) -> list[AdoptAnswer]:
        """Make messages without a stamp jobs of legacy's, as if they had come by the router.

        From then on they run under the run marker. `begun`: legacy runs it or ran it, and it stays so.
        """
        return self.index.adopt([(one.job, one.native_id) for one in messages if one.job is not None])

    def take_over(self, stamps: Sequence[Stamp]) -> list[bool]:
        """Win the run markers of jobs for good, and withdraw their messages; False where one has begun.

        A job that is under another epoch by now was taken over before, and came back: it is left alone.
        """
        job_ids = [stamp.job_id for stamp in stamps]
        before = self.index.get(job_ids)
        closed = self.index.close(job_ids, "taken_over", [stamp.epoch for stamp in stamps])
        self._withdraw(entry for entry, one in zip(before, closed, strict=True) if entry and one == "closed")
        return [one == "closed" for one in closed]

    def close(self) -> None:
        """Give back connections."""
        self.broker.close()

    def _publish(self, messages: Sequence[Message]) -> None:
        if messages:
            native_ids = self.broker.publish(messages)
            self.index.published(
                [(message.stamp, native_id) for message, native_id in zip(messages, native_ids, strict=True)]
            )

    def _withdraw(self, entries: Iterable[Entry]) -> None:
        self.broker.withdraw([entry.native_id for entry in entries if entry.native_id is not None])


def _told(job: NewJob, accepted: Accepted) -> EnqueueAnswer | None:
    if accepted.answer == "reserved":
        return None
    return EnqueueAnswer(job.job_id, accepted.answer, owner=accepted.owner, epoch=accepted.epoch)


def _has_come(entry: Entry | None) -> bool:
    # A tombstone has no job: a repeat finds that of the first try.
    return entry is not None and entry.job is not None
