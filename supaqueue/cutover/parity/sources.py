"""Observing both systems: each is listed by itself, by time; no list is made from the other one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from supaqueue.contract import OBSERVED_COLUMNS, PROBE_TYPE, Json, ObserveJobs, ObserveJobsById
from supaqueue.cutover.legacy.entry import Entry
from supaqueue.cutover.legacy.index import UnstampedRun
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.parity.observation import Observation, Outcome, State
from supaqueue.transport import Transport

BY_ID = 1_000
BATCH = 5_000
TASK_TYPE = OBSERVED_COLUMNS.index("task_type")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_STATES: dict[str, State] = {"mirrored": "copy", "pending": "waiting", "processing": "running"}
_MOVING = ("release_due", "takeover_due")


def in_supabase(transport: Transport, since: datetime, until: datetime) -> Iterator[list[Observation]]:
    """List jobs that Supabase stored in [since, until), page by page; the next page is asked for meanwhile.

    Probes are left out.

    Raises:
        CallError: Supabase gave no usable answer.
    """
    with ThreadPoolExecutor(1) as ahead:
        asked = ahead.submit(transport.send, ObserveJobs(since, until))
        while True:
            page = asked.result()
            if page.next_page is not None:
                asked = ahead.submit(transport.send, ObserveJobs(since, until, page.next_page))
            yield [of_supabase(row) for row in page.rows if row[TASK_TYPE] != PROBE_TYPE]
            if page.next_page is None:
                return


def in_supabase_by_id(transport: Transport, job_ids: Sequence[str]) -> Iterator[Observation]:
    """Look at jobs in Supabase; those that are not there are left out.

    Raises:
        CallError: Supabase gave no usable answer.
    """
    for first in range(0, len(job_ids), BY_ID):
        page = transport.send(ObserveJobsById(tuple(job_ids[first : first + BY_ID])))
        yield from map(of_supabase, page.rows)


def in_legacy(
    legacy: LegacyQueue,
    since: datetime,
    until: datetime,
    look_at: Callable[[Sequence[Entry]], object] = len,
) -> Iterator[list[Observation]]:
    """List jobs that the legacy queue's index stored in [since, until), in batches; probes are left out.

    Then messages without a stamp that last began in that time.

    Args:
        look_at: is given the entries of each batch first.

    Raises:
        LegacyUnavailable: the index gave no answer.
    """
    entries = (entry for entry in legacy.list_by_time(since, until) if not entry.is_probe)
    while batch := list(islice(entries, BATCH)):
        look_at(batch)
        yield list(map(of_legacy, batch))
    for runs in legacy.list_unstamped_runs(since, until):
        yield list(map(of_unstamped, runs))


def in_legacy_by_id(legacy: LegacyQueue, job_ids: Sequence[str]) -> Iterator[Observation]:
    """Look at jobs in the legacy queue's index; those that are not there are left out.

    Raises:
        LegacyUnavailable: the index gave no answer.
    """
    for first in range(0, len(job_ids), BY_ID):
        found = legacy.index.get(job_ids[first : first + BY_ID])
        yield from (of_legacy(entry) for entry in found if entry is not None)


def of_supabase(row: Sequence[Any]) -> Observation:
    """Return what a row of `ObserveJobs` says."""
    job_id, task_type, owner, epoch, status, mirror_state, created_at, run_at = row[:8]
    finished_at, started, payload, result, error, attempts, told, shadow = row[8:]
    state: State = _STATES.get(status) or status
    outcome: Outcome | None = None
    if mirror_state in _MOVING:
        state = "moving"
    elif task_type is None:
        state = "gone"
    elif told is not None:
        outcome = _told(told)
    elif finished_at is not None:
        outcome = Outcome(status, result, error, attempts, finished_at)
    return Observation(
        *(job_id, task_type, owner, epoch, state, created_at, run_at, started, payload, outcome),
        None if shadow is None else _shadow(shadow),
        owner == "legacy" or mirror_state != "none",
    )


def of_legacy(entry: Entry) -> Observation:
    """Return what an entry of the index says."""
    job, ending = entry.job, entry.ending
    outcome = None
    if ending is not None:
        outcome = Outcome(
            *(ending.status, ending.result, ending.error, ending.attempts), _microseconds(ending.ended_at)
        )
    return Observation(
        entry.job_id,
        None if job is None else job.task_type,
        entry.owner,
        entry.epoch,
        _state_of(entry),
        (entry.accepted_at - _EPOCH) // _MICROSECOND,
        _microseconds(entry.due_at),
        entry.starts,
        None if job is None else job.payload,
        outcome,
        None,
    )


def of_unstamped(run: UnstampedRun) -> Observation:
    """Return what is known of a message without a stamp that ran."""
    began_at = (run.began_at - _EPOCH) // _MICROSECOND
    return Observation(
        *(run.job_id, None, "legacy", 0, "unstamped", began_at, None, 1, None, None, None), has_copy=False
    )


def _state_of(entry: Entry) -> State:
    if entry.job is None:
        return "gone"
    if entry.owner == "supabase":
        return "copy"
    if entry.ending is not None:
        return entry.ending.status
    if entry.runner is not None:
        return "running"
    return "intent" if entry.state == "intent" else "waiting"


def _shadow(told: dict[str, Json]) -> Outcome:
    """Of a shadow that ended well, the handler's own result; beside it stand the effects that it left out."""
    outcome = _told(told)
    if outcome.status == "completed" and isinstance(outcome.result, dict):
        return outcome._replace(result=outcome.result.get("result"))
    return outcome


def _told(told: dict[str, Json]) -> Outcome:
    return Outcome(*(told.get(name) for name in Outcome._fields))  # type: ignore[arg-type]


def _microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND
