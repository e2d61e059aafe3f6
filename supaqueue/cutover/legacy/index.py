"""The index of an old queue: every job that it accepted or was told of, and who may run it there.

Brokers do not deduplicate, cannot be listed by time, and forget what has ended. The index lies beside the
queue, in the same Redis or the same folder. Each method is atomic per job, and may be repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from supaqueue.contract import NewJob
from supaqueue.cutover.legacy.entry import BrokenGlass, ClosedAs, Ending, Entry, Owner
from supaqueue.cutover.stamp import Stamp

AcceptAnswer = Literal["created", "exists", "conflict", "reserved"]
ReleaseAnswer = Literal["released", "exists", "stale", "closed"]
StartAnswer = Literal["started", "busy", "ended", "stale", "closed", "unknown"]
UnstampedStart = StartAnswer | Literal["noted"]
AdoptAnswer = Literal["adopted", "exists", "begun"]
CloseAnswer = Literal["closed", "started", "ended", "stale"]
FinishAnswer = Literal["recorded", "lost"]

NOTES_KEPT = timedelta(days=1)
"""Longer than any run without a stamp lasts, and any broker takes to deliver a message again."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of one accepted job, and whose it is; it must be published if `message_due`."""

    answer: AcceptAnswer
    message_due: bool
    due_at: datetime | None = None
    owner: Owner = "legacy"
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class UnstampedRun:
    """A message without a stamp that ran: the id of the job that it stands for, and when it last began."""

    job_id: str
    began_at: datetime


@dataclass(frozen=True, slots=True)
class IndexCounts:
    """Jobs by what they wait for. `marked`: a run marker is held. `unpublished`: intents.

    `unstamped_runs`: how often `start_unstamped` answered `noted`, and when last.
    """

    unpublished: int
    published: int
    parked: int
    marked: int
    unsent_endings: int
    unstamped_runs: int = 0
    last_unstamped_at: datetime | None = None


class Index(Protocol):
    """What each index does. Safe for several threads and several processes."""

    def accept(self, jobs: Sequence[NewJob], *, is_settled: bool = False) -> list[Accepted]:
        """Store jobs that legacy owns, as intents of epoch 0.

        `created`, or `exists` (same id, same content), or `conflict` (same id with other content, or
        abandoned). `message_due` while it is an intent, so that a repeat publishes what the first try may not
        have. A copy parked before is `exists` and stays parked. `reserved`: nothing was stored, since the id
        is reserved; with `is_settled`, because Supabase has said that legacy owns them, it is.

        Content is compared only where legacy has owned the job from the start. What Supabase has had comes
        back with defaults filled in, unlike what its caller gave: there Supabase compares.
        """

    def reserve(self, job_ids: Sequence[str]) -> list[Owner]:
        """Let these ids be accepted only as settled, where there is no entry of them; returns who has each.

        `legacy`: there is an entry, and legacy owns it, if only as a tombstone. An entry outranks a
        reservation, whichever came first. A repeat makes it last from then on.
        """

    def published(self, messages: Sequence[tuple[Stamp, str]]) -> None:
        """Note the native ids of messages; ignores what has another epoch by now, or is no intent."""

    def park(self, jobs: Sequence[NewJob]) -> list[bool]:
        """Store inert copies of jobs that Supabase owns; whatever is there already stays. True if stored."""

    def release(self, stamps: Sequence[Stamp], jobs: Sequence[NewJob]) -> list[ReleaseAnswer]:
        """Make handed-over jobs legacy's: intents under the stamp's epoch, stored if not known.

        `exists`: under that epoch already, perhaps unpublished. `stale`: a higher epoch is known. `closed`:
        ended, cancelled or abandoned here for good. A settled or taken over job can come back.
        """

    def unpublished(self, stamps: Sequence[Stamp]) -> list[bool]:
        """Say for each stamp whether it is an intent under that very epoch."""

    def settle(self, endings: Sequence[tuple[NewJob, Ending]]) -> None:
        """Close parked copies, with how Supabase ended them; stored if not known, ignored if legacy owns.

        The latest end counts: a dead letter may be replayed.
        """

    def break_glass(self, job_ids: Sequence[str], broken: BrokenGlass) -> list[Stamp | None]:
        """Let jobs run here that only Supabase could allow, because it is gone for good.

        A copy that Supabase owns (parked, or taken over from here) becomes legacy's: an intent under the next
        epoch. A job that was handed over stays what it is under its own. Returns for each the stamp under
        which it runs. None where there is nothing to allow: unknown, ended, cancelled or abandoned, or
        legacy's from the start. A repeat answers alike, and the first `broken` stays, with the time of it.
        """

    def start(self, stamp: Stamp, runner: str, seconds: float) -> StartAnswer:
        """Take the run marker: `started` if it is free, has expired, or is this runner's.

        `busy`: another runner holds it; come back. `ended`: it has an ending. `stale`: a higher epoch is
        known. `unknown`: there is no entry (an index that was lost), a lower epoch, or a parked copy.
        """

    def start_unstamped(self, job_id: str, runner: str, seconds: float) -> UnstampedStart:
        """Start a message without a stamp; `job_id` is what `unstamped_job_id` makes of it.

        If it was adopted, as `start` does under epoch 0. Else `noted`: it may run, is counted, and can be
        adopted no more; a repeat counts again. Notes last for `NOTES_KEPT`, or as the index was told.
        """

    def adopt(self, messages: Sequence[tuple[NewJob, str]]) -> list[AdoptAnswer]:
        """Make messages without a stamp entries: legacy's, of epoch 0, published under these native ids.

        `exists`: there is an entry of that id already, which stays. `begun`: it was noted.
        """

    def renew(self, stamp: Stamp, runner: str, seconds: float) -> Literal["held", "cancel", "lost"]:
        """Hold the marker for longer."""

    def free(self, stamp: Stamp, runner: str) -> None:
        """Give the marker back: an attempt ended, and another one follows."""

    def free_failed(self, stamp: Stamp, runner: str) -> None:
        """Give the marker back as `free` does, and keep as unsent that an attempt failed: once per epoch.

        An index of your own may lack this and the two methods below; then what runs under it is freed by
        `free`, and a gate does not compare first attempts.
        """

    def unsent_first_failures(self, limit: int) -> list[Stamp]:
        """Return under which stamps an attempt failed that the owner's mirror was not told of, in order."""

    def first_failures_sent(self, stamps: Sequence[Stamp]) -> None:
        """Note that the mirrors of these were told."""

    def finish(self, stamp: Stamp, runner: str, ending: Ending) -> FinishAnswer:
        """Record how it ended, and keep it as unsent. A repeat by the same runner is `recorded`.

        `lost`: the marker is another's, or there is an ending of another runner.
        """

    def record_repeat(self, stamp: Stamp, ending: Ending) -> None:
        """Note what a second run of a job that ended here came to. The first note stays.

        Ignored of what has not ended, or under another epoch. Changes nothing else, and nobody is told.
        """

    def request_cancel(self, job_ids: Sequence[str]) -> None:
        """Let the next `renew` of what runs answer `cancel`."""

    def close(
        self, job_ids: Sequence[str], closed_as: ClosedAs, epochs: Sequence[int] | None = None
    ) -> list[CloseAnswer]:
        """Win the run marker for good. An unknown id gets a tombstone, so that it can be accepted no more.

        With `epochs`, one for each id, only what is under that epoch; `stale`: it is under another by now.

        `started`: a marker is held; or, but for `cancelled`, was ever taken. `ended`: it has an ending, or
        was closed otherwise. Closing as `cancelled` or `abandoned` records `cancelled` as the ending, unsent,
        also of a tombstone: its mirror may come late, and is not to wait for an end. A repeat is `closed`.
        """

    def get(self, job_ids: Sequence[str]) -> list[Entry | None]:
        """Return entries by id."""

    def list_by_time(
        self, since: datetime, until: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> list[Entry]:
        """Return entries accepted in [since, until), in the order of (accepted_at, job_id), after a place."""

    def list_unstamped_runs(
        self, since: datetime, until: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> list[UnstampedRun]:
        """Return notes of what last began in [since, until), by (began_at, job_id), after a place.

        As long as notes last. One that begins again meanwhile may come again, further on.
        """

    def unsent_endings(self, limit: int) -> list[Entry]:
        """Return entries that ended here and whose owner's mirror was not told yet, oldest first."""

    def endings_sent(self, job_ids: Sequence[str]) -> None:
        """Note that the mirrors of these were told."""

    def count(self) -> IndexCounts:
        """Count entries."""

    def forget(self, before: datetime, limit: int) -> int:
        """Remove entries that ended, and were told, before a time; returns how many.

        What may still be due in the broker stays until then: a copy that was not removed must find it. Notes
        and reservations of before that time go as well: it has to lie further back than flags are kept.
        """
