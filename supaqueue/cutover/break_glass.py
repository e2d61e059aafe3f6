"""Runs in legacy what only Supabase could allow, once Supabase is gone for good: at least once, not once.

What Supabase had started may run again. Only what legacy was told of can run: a job whose copy was still owed
went with Supabase. The index keeps who did it, when and why, with every job.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from supaqueue.cutover.legacy.entry import BrokenGlass, Entry
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.sizes import within_size
from supaqueue.cutover.take_over import BEGINNING

BYTES_BESIDE_PAYLOAD = 1000
"""What an entry takes, roughly; so that a batch has an end without payloads too."""


@dataclass(frozen=True, slots=True)
class Held:
    """Jobs that legacy may not run without Supabase.

    Attributes:
        copies: Supabase owns them: parked here, or taken over from here.
        handed_over: they are legacy's, and its guard has to ask Supabase first.
    """

    copies: int
    handed_over: int

    @property
    def jobs(self) -> int:
        """How many there are."""
        return self.copies + self.handed_over


class BreakGlass:
    """Finds what waits for Supabase's consent, and does without it. May be repeated, and interrupted.

    Args:
        legacy: the old queue; its workers run what is released.
        task_types: only these; None takes all.
    """

    def __init__(self, legacy: LegacyQueue, task_types: Collection[str] | None = None) -> None:
        self._legacy = legacy
        self._task_types = task_types

    def count(self) -> Held:
        """Count what `release` has to do.

        Raises:
            LegacyUnavailable: the index gave no answer.
        """
        owners = Counter(entry.owner for entry in self._waiting())
        return Held(copies=owners["supabase"], handed_over=owners["legacy"])

    def release(self, broken: BrokenGlass) -> Iterator[int]:
        """Let all of it run, batch by batch; yields how many jobs each was.

        What an earlier call allowed and did not publish is published now.

        Raises:
            LegacyUnavailable: legacy gave no usable answer; the same again does the rest.
        """
        for batch in within_size(self._waiting(), _size):
            yield self._release(batch, broken)

    def _release(self, entries: Sequence[Entry], broken: BrokenGlass) -> int:
        stamps = self._legacy.index.break_glass([entry.job_id for entry in entries], broken)
        allowed = [
            (entry.job, stamp.epoch)
            for entry, stamp in zip(entries, stamps, strict=True)
            if stamp is not None and entry.job is not None
        ]
        self._legacy.release(allowed)
        return len(allowed)

    def _waiting(self) -> Iterator[Entry]:
        for entry in self._legacy.list_by_time(BEGINNING):
            if _needs_consent(entry) and (self._task_types is None or _type_of(entry) in self._task_types):
                yield entry


def _needs_consent(entry: Entry) -> bool:
    if entry.job is None or entry.ending is not None:
        return False
    if entry.broken_glass is not None and entry.state != "intent":
        return False  # it is on its way
    if entry.owner == "supabase":
        return entry.state == "parked" or entry.closed_as == "taken_over"
    return entry.epoch > 0 and entry.state != "closed"


def _type_of(entry: Entry) -> str | None:
    return None if entry.job is None else entry.job.task_type


def _size(entry: Entry) -> int:
    return BYTES_BESIDE_PAYLOAD + (0 if entry.job is None else entry.job.payload_bytes)
