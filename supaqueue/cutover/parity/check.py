"""Comparing all jobs of a time: listed on both sides, paired, judged, looked at again where they differ."""

from __future__ import annotations

import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from supaqueue.contract import Json, ObserveJobsById, ReadFeatureFlags
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.parity import sources
from supaqueue.cutover.parity.classes import SECOND, Comparator, Finding, Look, due
from supaqueue.cutover.parity.judging import judge
from supaqueue.cutover.parity.observation import OVER, Observation
from supaqueue.cutover.parity.pairs import Pair, paired
from supaqueue.cutover.parity.report import Compared, report_of
from supaqueue.cutover.parity.rules import Rule
from supaqueue.cutover.parity.share import shares_of
from supaqueue.cutover.parity.sorted_runs import SortedRuns
from supaqueue.cutover.parity.tally import Tally
from supaqueue.cutover.parity.verdict import Verdict, verdict_of
from supaqueue.transport import Transport

LOOKED_AT_AGAIN = 10_000
"""Jobs; of more that differ, the rest is judged by the first look."""
SHORTEST_SETTLE_SECONDS = 60.0
LONGEST_SETTLE_SECONDS = 86_400.0
SETTLE_FACTOR = 3.0
"""How many times longer than 99 in 100 of its kind a job may take until its two records agree."""
SETTLE_SHARE = 0.99

PROGRESS_EVERY = 10_000

Took: TypeAlias = "defaultdict[str, array[float]]"
"""Seconds from when a job could run to its end at its owner, by task type."""

Progress = Callable[[str, int], None]
"""Told which step it is at, and how many jobs that has done."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be compared, and by what.

    Attributes:
        since: from when on jobs were accepted; `until`: before when.
        task_types: which; None: all.
        declared_bound: the rate of differences to be ruled out.
        settle_seconds: in place of the windows that are derived from what is found.
        looks: seconds to wait before each further look at what differs.
        with_messages: whether errors are compared by message as well.
        comparators: by task type, who says of two results that are not the same whether they agree.
    """

    since: datetime
    until: datetime
    task_types: frozenset[str] | None = None
    rules: tuple[Rule, ...] = ()
    declared_bound: float = 0.01
    settle_seconds: float | None = None
    looks: tuple[float, ...] = (2.0, 5.0)
    with_messages: bool = False
    comparators: Mapping[str, Comparator] = field(default_factory=dict)


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
) -> Checked:
    """Compare the two systems.

    Args:
        progress: told of every batch.
        folder: for sorting, about 1 kB per job and system; the system's folder for such by default.

    Raises:
        CallError: Supabase gave no usable answer.
        LegacyUnavailable: the legacy queue's index gave none.
        OSError: the disk is full.
    """
    observed_at = _database_time(transport)
    took: Took = defaultdict(lambda: array("d"))
    with SortedRuns(folder) as in_legacy, SortedRuns(folder) as in_supabase:
        listed = sources.in_legacy(legacy, question.since, question.until)
        _take(listed, in_legacy, took, question, "legacy", progress)
        pages = sources.in_supabase(transport, question.since, question.until)
        _take(pages, in_supabase, took, question, "supabase", progress)
        settle = {name: _window(found, question) for name, found in sorted(took.items())}
        default = question.settle_seconds or SHORTEST_SETTLE_SECONDS
        look = Look(
            observed_at,
            settle,
            default,
            with_messages=question.with_messages,
            comparators=question.comparators,
        )
        counts = (len(in_legacy), len(in_supabase))
        tally, differing = _judge_all(paired(in_legacy, in_supabase), look, question, progress)
    for pair, found in _look_again(transport, legacy, differing, look, question, progress):
        tally.add(pair, found)
    verdict = verdict_of(
        tally,
        question.rules,
        declared_bound=question.declared_bound,
        jobs_per_second=max(counts) / _seconds(question, observed_at),
    )
    unstamped = _unstamped(legacy, question.since)
    shares = shares_of(tally.owners, transport.send(ReadFeatureFlags()), question.since)
    compared = Compared(question.since, question.until, observed_at, *counts, unstamped, settle, shares)
    return Checked(report_of(compared, tally, question.rules, verdict, _day(observed_at)), verdict)


def _judge_all(
    pairs: Iterator[Pair], look: Look, question: Question, progress: Progress
) -> tuple[Tally, list[tuple[Pair, Finding]]]:
    """Count what is clean, and return the rest apart."""
    tally = Tally()
    differing: list[tuple[Pair, Finding]] = []
    today = _day(look.observed_at)
    for number, pair in enumerate(pairs, 1):
        found = judge(pair, look, question.rules, today)
        if found.is_clean or len(differing) >= LOOKED_AT_AGAIN:
            tally.add(pair, found)
        else:
            differing.append((pair, found))
        if number % PROGRESS_EVERY == 0:
            progress("compared", number)
    return tally, differing


def _take(
    batches: Iterator[list[Observation]],
    runs: SortedRuns,
    took: Took,
    question: Question,
    step: str,
    progress: Progress,
) -> None:
    """Keep what was asked for, and how long what ended here took."""
    for batch in batches:
        kept = batch
        if question.task_types is not None:
            kept = [one for one in batch if one.task_type in question.task_types]
        for one in kept:
            ended_at = one.outcome and one.outcome.ended_at
            if one.state in OVER and one.task_type is not None and ended_at is not None:
                took[one.task_type].append((ended_at - due(one)) / SECOND)
        runs.add(kept)
        progress(step, len(runs))


def _window(took: array[float], question: Question) -> float:
    if question.settle_seconds is not None:
        return question.settle_seconds
    usual = sorted(took)[int(SETTLE_SHARE * (len(took) - 1))]
    return min(max(SETTLE_FACTOR * usual, SHORTEST_SETTLE_SECONDS), LONGEST_SETTLE_SECONDS)


def _look_again(
    transport: Transport,
    legacy: LegacyQueue,
    differing: list[tuple[Pair, Finding]],
    look: Look,
    question: Question,
    progress: Progress,
) -> Iterator[tuple[Pair, Finding]]:
    """Judge anew, look by look, what still differs; what has come to agree is as it is then."""
    for seconds in question.looks:
        if not differing:
            return
        progress("looked at again", len(differing))
        time.sleep(seconds)
        pairs = _observed_again(transport, legacy, [pair.job_id for pair, _ in differing])
        still: list[tuple[Pair, Finding]] = []
        now = replace(look, observed_at=_database_time(transport))
        for pair, before in differing:
            # One that retention took meanwhile is as it was.
            again = pairs.get(pair.job_id, pair)
            found = judge(again, now, question.rules, _day(now.observed_at)) if again is not pair else before
            if found.is_clean:
                yield again, found
            else:
                still.append((again, found))
        differing = still
    yield from differing


def _observed_again(transport: Transport, legacy: LegacyQueue, job_ids: Sequence[str]) -> dict[str, Pair]:
    legacys = {one.job_id: one for one in sources.in_legacy_by_id(legacy, job_ids)}
    supabases = {one.job_id: one for one in sources.in_supabase_by_id(transport, job_ids)}
    found = {job_id: Pair(legacys.get(job_id), supabases.get(job_id)) for job_id in job_ids}
    return {job_id: pair for job_id, pair in found.items() if any(pair)}


def _unstamped(legacy: LegacyQueue, since: datetime) -> int:
    """How often a message without a stamp ran; 0 if the last time was before."""
    counts = legacy.index.count()
    is_since = counts.last_unstamped_at is not None and counts.last_unstamped_at >= since
    return counts.unstamped_runs if is_since else 0


def _seconds(question: Question, observed_at: int) -> float:
    until = min(question.until, _moment(observed_at))
    return max(1.0, (until - question.since).total_seconds())


def _database_time(transport: Transport) -> int:
    return transport.send(ObserveJobsById(())).observed_at


def _moment(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def _day(microseconds: int) -> date:
    return _moment(microseconds).date()
