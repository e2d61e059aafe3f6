"""Bringing what one system lost: mirrors of legacy's jobs, and copies of Supabase's.

Only what is missing past its settle window and at every look is brought, by the system's own ways: a mirror
as a relay stores it, with its end; a copy by the relay itself. Each repair is noted in the transaction that
makes it, so that the job counts as missing for good. What would have to be guessed is refused, with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

from supaqueue.contract import RepairCopies, RepairedClass, RepairMirrors
from supaqueue.cutover.legacy.entry import Entry
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.outcomes import outcome_of, size_of
from supaqueue.cutover.parity.check import LOOKED_AT_AGAIN, judge_all, list_both, look_of
from supaqueue.cutover.parity.classes import Finding
from supaqueue.cutover.parity.latency import Took
from supaqueue.cutover.parity.looks import Judged, database_time, look_again, moment
from supaqueue.cutover.parity.pairs import Pair, paired
from supaqueue.cutover.parity.question import Progress, Question
from supaqueue.cutover.parity.sorted_runs import SortedRuns
from supaqueue.cutover.parity.sources import of_legacy
from supaqueue.cutover.sizes import within_size
from supaqueue.errors import CallRefused, InvalidInput
from supaqueue.transport import Transport

BATCH = 500
"""Jobs in one call."""

Answer = Literal[
    "repaired",
    "exists",
    "due",
    "not_needed",
    "conflict",
    "refused",
    "kept",
    "owner_lost",
    "handed_over",
    "unpublished",
    "unknown",
]
REASONS: dict[Answer, str] = {
    "repaired": "it is brought again, and counts as missing all the same",
    "exists": "it came by itself meanwhile",
    "due": "a relay still has to bring it: does one run? (`supaqueue rollout relay`)",
    "not_needed": "the cutover of its type is over: legacy needs no copy",
    "conflict": "its id is another job's in Supabase, or was abandoned there: see `supaqueue parity check`",
    "refused": "Supabase does not take it as legacy has it: see the error; enqueue it anew if it is needed",
    "kept": "legacy owned it or gave it away, and lost it: sent again it could run twice; see whether it ran",
    "owner_lost": "Supabase owned it and lost it: no mirror stands for that; enqueue it anew if it is needed",
    "handed_over": "it was handed over, and its row is lost: legacy runs it, and Supabase cannot be told",
    "unpublished": "legacy never published it, and promised it to nobody: who enqueued it does so again",
    "unknown": "the system that knew it knows it no more",
}
"""What each answer says, and what to do next."""
DONE: frozenset[Answer] = frozenset({"repaired", "exists", "not_needed"})


Told = tuple[Answer, str | None]
Store = Callable[[Sequence[Entry]], Mapping[str, Told]]


@dataclass(frozen=True, slots=True)
class Repair:
    """One missing job, and what became of it or would; `detail`: Supabase's words, where it refused."""

    job_id: str
    task_type: str | None
    class_name: RepairedClass
    answer: Answer
    detail: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to be done about it."""
        return self.answer in DONE


@dataclass(frozen=True, slots=True)
class Missing:
    """What is missing, and what a repair would do about it.

    Attributes:
        seen_at: a time of the database's from before the last look.
        repairs: one for each missing job, by job_id.
        further: how many more were missing at the first look, and not looked at again: for another time.
    """

    seen_at: datetime
    repairs: tuple[Repair, ...]
    further: int = 0


def missing(
    transport: Transport,
    legacy: LegacyQueue,
    question: Question,
    *,
    progress: Progress = lambda step, jobs: None,
    folder: Path | None = None,
) -> Missing:
    """Find what is missing past its settle window, and say what a repair would do. Changes nothing.

    Args:
        question: which jobs; what its rules expect is not missing. The first 10,000 by job_id are looked at.
        progress: told of every batch.
        folder: for sorting, as of `check`.

    Raises:
        CallError: Supabase gave no usable answer.
        LegacyUnavailable: the legacy queue's index gave none.
        OSError: the disk is full.
    """
    observed_at = database_time(transport)
    took = Took()
    with SortedRuns(folder) as in_legacy, SortedRuns(folder) as in_supabase:
        list_both(transport, legacy, question, in_legacy, in_supabase, took, progress)
        look = look_of(observed_at, took, question)
        found = judge_all(paired(in_legacy, in_supabase), look, question, progress)
        lost, further = _first(one for one in found if _lost(one[1]) is not None)
    still = look_again(transport, legacy, lost, look, question, progress)
    repairs = [_proposed(pair, name) for pair, one in still if (name := _lost(one)) is not None]
    seen_at = moment(observed_at)
    answered = _of_mirrors(legacy, repairs, _would_store)
    answered += _of_copies(transport, repairs, seen_at, None, dry_run=True)
    return Missing(seen_at, tuple(sorted(answered, key=lambda one: one.job_id)), further)


def repair(
    transport: Transport,
    legacy: LegacyQueue,
    found: Missing,
    *,
    by: str | None = None,
) -> tuple[Repair, ...]:
    """Bring what is missing, and say what became of each. May be repeated, also beside another one.

    A mirror is there when this returns; a copy is when a relay has taken its next turn.

    Args:
        found: of `missing`.
        by: who does it; kept with every repair.

    Raises:
        InvalidInput: `by` is longer than 200 characters.
        CallError: Supabase gave no usable answer; what was done until then stays done.
        LegacyUnavailable: the legacy queue's index gave none.
    """
    if by is not None and len(by) > 200:
        raise InvalidInput("must have 200 characters at most", field="by")
    answered = [one for one in found.repairs if one.answer != "repaired"]
    answered += _of_mirrors(legacy, found.repairs, partial(_store, transport, by))
    answered += _of_copies(transport, found.repairs, found.seen_at, by, dry_run=False)
    return tuple(sorted(answered, key=lambda one: one.job_id))


def _first(lost: Iterator[Judged]) -> tuple[list[Judged], int]:
    """Return as many as are looked at again, and how many more there are."""
    return list(islice(lost, LOOKED_AT_AGAIN)), sum(1 for _ in lost)


def _lost(found: Finding) -> RepairedClass | None:
    for fit in found.fits:
        if fit.name == "missing_in_supabase" or fit.name == "missing_in_legacy":
            return fit.name
    return None


def _proposed(pair: Pair, name: RepairedClass) -> Repair:
    known = pair.legacy or pair.supabase
    return Repair(pair.job_id, known and known.task_type, name, "repaired")


def _of_mirrors(legacy: LegacyQueue, repairs: Sequence[Repair], store: Store) -> list[Repair]:
    """Store what may be stored, and refuse the rest."""
    answered: list[Repair] = []
    for batch in _batches(repairs, "missing_in_supabase"):
        told: dict[str, Told] = {}
        storable: list[Entry] = []
        for one, entry in zip(batch, legacy.get([one.job_id for one in batch]), strict=True):
            if entry is not None and (refused := _refusal(entry)) is None:
                storable.append(entry)
            else:
                told[one.job_id] = ("unknown" if entry is None else refused or "unknown", None)
        told |= store(storable)
        answered += [_answered(one, told[one.job_id]) for one in batch]
    return answered


def _refusal(entry: Entry) -> Answer | None:
    """Say why a mirror cannot stand for a job as legacy knows it; None if it can."""
    if entry.job is None:
        return "unknown"
    if entry.owner == "supabase":
        return "owner_lost"
    if entry.epoch > 0:
        return "handed_over"
    return "unpublished" if of_legacy(entry).state == "intent" else None


def _would_store(entries: Sequence[Entry]) -> dict[str, Told]:
    return {entry.job_id: ("repaired", None) for entry in entries}


def _store(transport: Transport, by: str | None, entries: Sequence[Entry]) -> dict[str, Told]:
    told: dict[str, Told] = {}
    for batch in within_size(entries, size_of):
        told |= _store_batch(transport, by, batch)
    return told


def _store_batch(transport: Transport, by: str | None, entries: Sequence[Entry]) -> dict[str, Told]:
    """Store a batch; where one of it is refused, the others are stored all the same."""
    jobs = tuple(entry.job for entry in entries if entry.job is not None)
    moments = tuple(entry.accepted_at for entry in entries)
    outcomes = tuple(outcome_of(entry) for entry in entries if entry.ending is not None)
    try:
        answers = transport.send(RepairMirrors(jobs, moments, outcomes, by))
    except CallRefused as refused:
        if len(entries) == 1:
            return {entries[0].job_id: ("refused", str(refused))}
        half = len(entries) // 2
        first = _store_batch(transport, by, entries[:half])
        return first | _store_batch(transport, by, entries[half:])
    return {one.job_id: (one.answer, None) for one in answers}


def _of_copies(
    transport: Transport, repairs: Sequence[Repair], seen_at: datetime, by: str | None, *, dry_run: bool
) -> list[Repair]:
    answered: list[Repair] = []
    for batch in _batches(repairs, "missing_in_legacy"):
        job_ids = tuple(one.job_id for one in batch)
        answers = transport.send(RepairCopies(job_ids, seen_at, dry_run, by))
        answered += [_answered(one, (told.answer, None)) for one, told in zip(batch, answers, strict=True)]
    return answered


def _batches(repairs: Sequence[Repair], name: RepairedClass) -> Iterator[list[Repair]]:
    """Return what is to be repaired of a class; what was refused before stays so."""
    these = [one for one in repairs if one.class_name == name and one.answer == "repaired"]
    return (these[first : first + BATCH] for first in range(0, len(these), BATCH))


def _answered(one: Repair, told: Told) -> Repair:
    return replace(one, answer=told[0], detail=told[1])
