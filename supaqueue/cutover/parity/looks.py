"""Looking again, by id, at what differs: only what is still there counts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from supaqueue.contract import ObserveJobsById
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.parity import sources
from supaqueue.cutover.parity.classes import Finding, Look
from supaqueue.cutover.parity.judging import judge
from supaqueue.cutover.parity.pairs import Pair
from supaqueue.cutover.parity.question import Progress, Question
from supaqueue.transport import Transport

Judged = tuple[Pair, Finding]


def look_again(
    transport: Transport,
    legacy: LegacyQueue,
    differing: list[Judged],
    look: Look,
    question: Question,
    progress: Progress,
    seen_at: float | None = None,
) -> Iterator[Judged]:
    """Judge anew, look by look, what still differs; what has come to agree is as it is then.

    Args:
        seen_at: by `time.monotonic`, when the first look ended; now by default. A million jobs take longer to
            be compared than the second look has to wait.
    """
    seen_at = time.monotonic() if seen_at is None else seen_at
    for seconds in question.looks:
        if not differing:
            return
        progress("looked at again", len(differing))
        time.sleep(max(0.0, seen_at + seconds - time.monotonic()))
        pairs = observed(transport, legacy, [pair.job_id for pair, _ in differing])
        still: list[Judged] = []
        now = replace(look, observed_at=database_time(transport))
        for pair, before in differing:
            # One that retention took meanwhile is as it was.
            again = pairs.get(pair.job_id, pair)
            found = judge(again, now, question.rules, day(now.observed_at)) if again is not pair else before
            if found.is_clean:
                yield again, found
            else:
                still.append((again, found))
        differing, seen_at = still, time.monotonic()
    yield from differing


def database_time(transport: Transport) -> int:
    """Return the database's time, in microseconds since 1970."""
    return transport.send(ObserveJobsById(())).observed_at


def moment(microseconds: int) -> datetime:
    """Return a time from microseconds since 1970."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def day(microseconds: int) -> date:
    """Return its day, in UTC: by that, rules expire."""
    return moment(microseconds).date()


def observed(transport: Transport, legacy: LegacyQueue, job_ids: Sequence[str]) -> dict[str, Pair]:
    """Return what both know of jobs, by id; one that neither knows is left out.

    Raises:
        CallError: Supabase or the legacy queue's index gave no usable answer.
    """
    legacys = {one.job_id: one for one in sources.in_legacy_by_id(legacy, job_ids)}
    supabases = {one.job_id: one for one in sources.in_supabase_by_id(transport, job_ids)}
    found = {job_id: Pair(legacys.get(job_id), supabases.get(job_id)) for job_id in job_ids}
    return {job_id: pair for job_id, pair in found.items() if any(pair)}
