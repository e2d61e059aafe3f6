"""Sending jobs through both systems, and comparing what became of them."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from supaqueue.answer import EnqueueAnswer
from supaqueue.contract import FeatureFlags, NewJob, ReadFeatureFlags
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.parity.check import Checked, conclude, look_of
from supaqueue.cutover.parity.classes import SECOND
from supaqueue.cutover.parity.judging import judge
from supaqueue.cutover.parity.latency import Took, note
from supaqueue.cutover.parity.looks import database_time, day, observed
from supaqueue.cutover.parity.noise import Noise
from supaqueue.cutover.parity.observation import OVER
from supaqueue.cutover.parity.pairs import Pair
from supaqueue.cutover.parity.preflight import preflight
from supaqueue.cutover.parity.question import Progress, Question
from supaqueue.cutover.parity.tally import Tally
from supaqueue.errors import InvalidInput, SupaqueueError
from supaqueue.job_id import BUCKETS, new_job_id
from supaqueue.transport import Transport

BATCH = 100
LOOK_SECONDS = 0.5
ALREADY_WAITED = 0.0
"""Seconds: whoever waited for them waits for them no more."""


class Enqueues(Protocol):
    """What jobs are sent with: a router."""

    def enqueue_many(self, jobs: Sequence[NewJob]) -> list[EnqueueAnswer]:
        """Enqueue jobs."""


def read_inputs(path: Path) -> list[dict[str, Any]]:
    """Read a file of JSON Lines, each an object with `task_type`, `payload`, and further options of `NewJob`.

    Raises:
        InvalidInput: it cannot be read, or a line is no such object; the error names the line.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot be read: {error}", field=str(path)) from None
    inputs = [_input(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not inputs:
        raise InvalidInput("has no line", field=str(path))
    return inputs


def jobs_of(inputs: Sequence[Mapping[str, Any]], count: int, transport: Transport) -> list[NewJob]:
    """Return `count` jobs made of these inputs in turn; at stage shadow all of them run in both systems.

    Raises:
        InvalidInput: an input is no job, or at its stage nothing of it would run in Supabase.
        CallError: Supabase gave no usable answer.
    """
    flags = transport.send(ReadFeatureFlags())
    jobs = []
    for number, given in enumerate(itertools.islice(itertools.cycle(inputs), count)):
        job_id = new_job_id(_bucket(given, flags, number))
        place = f"input {number % len(inputs) + 1}"
        jobs.append(NewJob.from_mapping({**given, "job_id": job_id}, field=place))
    return jobs


def send_and_compare(
    queue: Enqueues,
    transport: Transport,
    legacy: LegacyQueue,
    jobs: Sequence[NewJob],
    question: Question,
    *,
    timeout: float,
    progress: Progress = lambda step, jobs: None,
) -> Checked:
    """Enqueue jobs, wait until both systems have said all that they can say of them, and compare.

    Args:
        question: `since` and `until` are told in the report, nothing is listed by them.
        timeout: how long to wait, in seconds; what has not settled then is judged as it is.

    Raises:
        CallError: Supabase or the legacy queue gave no usable answer.
        SupaqueueError: neither knows a job that was accepted: there is nothing to compare it by.
    """
    for first in range(0, len(jobs), BATCH):
        queue.enqueue_many(jobs[first : first + BATCH])
        progress("sent", min(first + BATCH, len(jobs)))
    job_ids = [job.job_id for job in jobs]
    deadline = time.monotonic() + timeout
    while True:
        found = observed(transport, legacy, job_ids)
        settled = sum(map(_has_settled, found.values()))
        progress("settled", settled)
        if settled == len(job_ids) or time.monotonic() >= deadline:
            break
        time.sleep(LOOK_SECONDS)
    _refuse_lost(job_ids, found)
    pairs = list(found.values())
    took = Took()
    for one in itertools.chain.from_iterable(pairs):
        if one is not None:
            note(took, one)
    look = look_of(database_time(transport), took, replace(question, settle_seconds=ALREADY_WAITED))
    refused = preflight(transport, max_json_bytes=question.max_json_bytes)
    noise = Noise(question.rules, question.comparators, day(look.observed_at), SECOND)
    entries = [entry for entry in legacy.get(job_ids) if entry is not None]
    refused.look_at(entries)
    noise.look_at(entries)
    tally = Tally(width=SECOND, keeps=noise.keeps)
    for pair in pairs:
        tally.add(pair, judge(pair, look, question.rules, day(look.observed_at)))
    in_legacy = sum(pair.legacy is not None for pair in pairs)
    in_supabase = sum(pair.supabase is not None for pair in pairs)
    return conclude(transport, legacy, question, look, took, tally, (in_legacy, in_supabase), refused, noise)


def _refuse_lost(job_ids: Sequence[str], found: Mapping[str, Pair]) -> None:
    lost = [job_id for job_id in job_ids if job_id not in found]
    if lost:
        raise SupaqueueError(
            f"{len(lost)} of {len(job_ids)} jobs that were accepted are unknown to both systems, first"
            f" {lost[0]}: see whether something prunes them, and whether SUPAQUEUE_LEGACY is what runs"
        )


def _has_settled(pair: Pair) -> bool:
    """Say whether both know how it ended, and a run without effects has ended where there is one."""
    if pair.legacy is None or pair.supabase is None:
        return False
    shadow = pair.supabase.shadow
    is_told = pair.legacy.outcome is not None and pair.supabase.outcome is not None
    return is_told and (shadow is None or shadow.status in OVER)


def _bucket(given: Mapping[str, Any], flags: FeatureFlags, number: int) -> int | None:
    """Return a bucket of which jobs run in both systems while Supabase owns none; else any."""
    flag = flags.of(str(given.get("task_type"))) or flags.overall
    if flag.stage in ("canary", "live", "complete"):
        return None
    shadowed = int(flag.shadow_percent * BUCKETS / 100)
    if shadowed == 0:
        raise InvalidInput(
            f"at stage {flag.stage} without shadows none of these jobs runs in Supabase, and no result could"
            " be compared: let some, `supaqueue rollout set 0 --stage shadow --shadow 5`",
            field="--jobs",
        )
    return number % shadowed


def _input(line: str, place: str) -> dict[str, Any]:
    try:
        given = json.loads(line)
    except ValueError as error:
        raise InvalidInput(f"is no JSON: {error}", field=place) from None
    if not isinstance(given, dict):
        raise InvalidInput("must be an object with task_type and payload", field=place)
    if taken := {"job_id", "idempotency_key"} & given.keys():
        raise InvalidInput(f"{', '.join(sorted(taken))}: each job gets an id of its own here", field=place)
    return given
