"""Comparing all jobs of a time: listed on both sides, paired, judged, looked at again where they differ."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from pathlib import Path

from supaqueue.contract import Json, ReadFeatureFlags
from supaqueue.cutover.legacy.entry import Entry
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.parity import sources
from supaqueue.cutover.parity.classes import Finding, Look
from supaqueue.cutover.parity.differing import Differing
from supaqueue.cutover.parity.judging import judge
from supaqueue.cutover.parity.latency import SHORTEST_SETTLE_SECONDS, Took, note, settle_windows
from supaqueue.cutover.parity.looks import Judged, database_time, day, look_again, moment
from supaqueue.cutover.parity.noise import Noise
from supaqueue.cutover.parity.observation import Observation
from supaqueue.cutover.parity.pairs import Pair, paired
from supaqueue.cutover.parity.preflight import Preflight, preflight
from supaqueue.cutover.parity.question import Progress, Question
from supaqueue.cutover.parity.recorded import as_recorded, belongs, recorded
from supaqueue.cutover.parity.report import Compared, report_of
from supaqueue.cutover.parity.share import shares_of
from supaqueue.cutover.parity.sorted_runs import SortedRuns
from supaqueue.cutover.parity.tally import Tally
from supaqueue.cutover.parity.timeline import timeline_of
from supaqueue.cutover.parity.verdict import Verdict, verdict_of
from supaqueue.transport import Transport

LOOKED_AT_AGAIN = 10_000
"""Jobs; of more that differ, the rest is judged by the first look."""
PROGRESS_EVERY = 10_000


@dataclass(frozen=True, slots=True)
class Checked:
    """A comparison that was made."""

    report: dict[str, Json]
    verdict: Verdict


def check(
    transport: Transport,
    legacy: LegacyQueue,
    question: Question,
    *,
    progress: Progress = lambda step, jobs: None,
    folder: Path | None = None,
    differing: Differing | None = None,
) -> Checked:
    """Compare the two systems.

    Args:
        progress: told of every batch.
        differing: told of every job and as what it counts.
        folder: for sorting, about 1 kB per job and system; the system's folder for such by default.

    Raises:
        CallError: Supabase gave no usable answer.
        LegacyUnavailable: the legacy queue's index gave none.
        OSError: the disk is full.
    """
    observed_at = database_time(transport)
    took = Took()
    refused = preflight(transport, max_json_bytes=question.max_json_bytes, task_types=question.task_types)
    width = timeline_of(question.since, question.until).width
    noise = Noise(question.rules, question.comparators, day(observed_at), width)
    tally = Tally(width=width, keeps=noise.keeps)

    def look_at(entries: Sequence[Entry]) -> None:
        refused.look_at(entries)
        noise.look_at(entries)

    def count(pair: Pair, found: Finding) -> None:
        counted = as_recorded(pair, found, repairs) if repairs else found
        name = tally.add(pair, counted)
        if differing is not None:
            differing.add(pair, counted, name)

    with SortedRuns(folder) as in_legacy, SortedRuns(folder) as in_supabase:
        list_both(transport, legacy, question, in_legacy, in_supabase, took, progress, look_at)
        listed_at = time.monotonic()
        look = look_of(observed_at, took, question)
        counts = (len(in_legacy), len(in_supabase))
        # After the listing: what is repaired is noted before it can be seen.
        repairs = recorded(transport, question.since, question.until)
        again: list[Judged] = []
        for pair, found in judge_all(paired(in_legacy, in_supabase), look, question, progress):
            if found.is_clean or len(again) >= LOOKED_AT_AGAIN:
                count(pair, found)
            else:
                again.append((pair, found))
    looked = list(look_again(transport, legacy, again, look, question, progress, listed_at))
    if looked:
        repairs = recorded(transport, question.since, question.until)
    for pair, found in looked:
        if belongs(pair, question):
            count(pair, found)
    checked = conclude(transport, legacy, question, look, took, tally, counts, refused, noise)
    if differing is not None:
        differing.settle(noise)
    return checked


def list_both(
    transport: Transport,
    legacy: LegacyQueue,
    question: Question,
    in_legacy: SortedRuns,
    in_supabase: SortedRuns,
    took: Took,
    progress: Progress,
    look_at: Callable[[Sequence[Entry]], object] = len,
) -> None:
    """List both systems, each by itself, and note in `took` how long what has ended took.

    Args:
        look_at: is given the entries of each batch from legacy's index first.

    Raises:
        CallError: Supabase gave no usable answer.
        LegacyUnavailable: the legacy queue's index gave none.
    """
    batches = sources.in_legacy(legacy, question.since, question.until, look_at)
    pages = sources.in_supabase(transport, question.since, question.until)
    # By turns: Supabase writes its next page while legacy is read.
    for in_turn in zip_longest(pages, batches, fillvalue=()):
        for batch, runs in zip(in_turn, (in_supabase, in_legacy), strict=True):
            _take(batch, runs, took, question)
        progress("listed", len(in_supabase) + len(in_legacy))


def look_of(observed_at: int, took: Took, question: Question) -> Look:
    """Return by what pairs are judged."""
    given = question.settle_seconds
    return Look(
        observed_at,
        {} if given is not None else settle_windows(took),
        given if given is not None else SHORTEST_SETTLE_SECONDS,
        with_messages=question.with_messages,
        comparators=question.comparators,
        max_json_bytes=question.max_json_bytes,
    )


def conclude(
    transport: Transport,
    legacy: LegacyQueue,
    question: Question,
    look: Look,
    took: Took,
    tally: Tally,
    counts: tuple[int, int],
    refused: Preflight | None = None,
    noise: Noise | None = None,
) -> Checked:
    """Return the report and the verdict on what was counted.

    Args:
        counts: how many jobs were found in legacy and in Supabase.
        refused: what has looked at legacy's jobs.
        noise: what keeps findings of the tally until now.

    Raises:
        CallError: Supabase gave no usable answer.
        LegacyUnavailable: the legacy queue's index gave none.
    """
    if noise is not None:
        noise.settle(tally)
    refusals = refused.refusals() if refused is not None else []
    verdict = verdict_of(
        tally,
        question.rules,
        declared_bound=question.declared_bound,
        jobs_per_second=max(counts) / _seconds(question, look.observed_at),
        refusals=refusals,
        notes=noise.notes() if noise is not None else (),
    )
    compared = Compared(
        question.since,
        question.until,
        look.observed_at,
        *counts,
        unstamped=_unstamped(legacy, question.since),
        settle_seconds=look.settle_seconds,
        default_settle_seconds=look.default_seconds,
        shares=shares_of(tally.owners, transport.send(ReadFeatureFlags()), question.since),
        took=took,
        would_reject=refused.would_reject if refused is not None else 0,
        refusals=refusals,
        floors=noise.floors() if noise is not None else {},
    )
    return Checked(report_of(compared, tally, question.rules, verdict, day(look.observed_at)), verdict)


def judge_all(pairs: Iterator[Pair], look: Look, question: Question, progress: Progress) -> Iterator[Judged]:
    """Judge pairs by a first look."""
    today = day(look.observed_at)
    for number, pair in enumerate(pairs, 1):
        yield pair, judge(pair, look, question.rules, today)
        if number % PROGRESS_EVERY == 0:
            progress("compared", number)


def _take(found: Sequence[Observation], runs: SortedRuns, took: Took, question: Question) -> None:
    """Keep what was asked for, and how long what ended there took."""
    kept = found
    if question.task_types is not None:
        kept = [one for one in found if one.task_type in question.task_types]
    for one in kept:
        note(took, one)
    runs.add(kept)


def _unstamped(legacy: LegacyQueue, since: datetime) -> int:
    """How often a message without a stamp ran; 0 if the last time was before."""
    counts = legacy.index.count()
    is_since = counts.last_unstamped_at is not None and counts.last_unstamped_at >= since
    return counts.unstamped_runs if is_since else 0


def _seconds(question: Question, observed_at: int) -> float:
    until = min(question.until, moment(observed_at))
    return max(1.0, (until - question.since).total_seconds())
