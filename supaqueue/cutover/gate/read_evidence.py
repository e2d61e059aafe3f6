"""Reads from the database what a gate rests on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from supaqueue.contract import (
    BinnedLatencies,
    CohortTotals,
    FeatureFlags,
    ReadCohorts,
    ReadCohortTotals,
    ReadFeatureFlags,
)
from supaqueue.contract.cohorts import CohortRow
from supaqueue.cutover.gate.backlogs import control_oldest_seconds, minutes_of
from supaqueue.cutover.gate.evidence import Cohort, Evidence, Latencies, Side, TypeEvidence
from supaqueue.transport import Transport

RECENT = timedelta(hours=1)
"""Of how long ago jobs count for what the control's take now."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_NO_LATENCIES = BinnedLatencies((), ())


@dataclass(slots=True)
class _Cohorts:
    first: list[Cohort] = field(default_factory=list)
    final: list[Cohort] = field(default_factory=list)


def read_evidence(
    transport: Transport,
    since: datetime,
    until: datetime | None = None,
    *,
    with_first_attempts: bool = True,
) -> Evidence:
    """Return what was counted of jobs enqueued in [since, until); see `close_cohorts` for what counts it.

    Probes, calls of workers, and whether legacy is alive are for others to add.

    Args:
        since: the beginning of the running step, by the database's clock.
        until: now, by default.
        with_first_attempts: whether legacy tells of attempts that failed before their job's end; see
            `supaqueue.cutover.legacy.first_failures.tells_first_failures`. Else they do not compare.

    Raises:
        CallError: Supabase gave no usable answer.
    """
    flags = transport.send(ReadFeatureFlags())
    until = until or max(flags.read_at, since)
    totals = transport.send(ReadCohortTotals(since, until))
    recent = transport.send(ReadCohortTotals(until - RECENT, until)).latencies
    cohorts = _cohorts(_rows(transport, since, until), with_first_attempts=with_first_attempts)
    names = sorted({*cohorts, *totals.latencies, *(name for one in totals.backlogs for name in one.types)})
    return Evidence(since, until, tuple(_type(name, cohorts[name], totals, recent, flags) for name in names))


def _rows(transport: Transport, since: datetime, until: datetime) -> Iterator[CohortRow]:
    page: str | None = None
    while True:
        found = transport.send(ReadCohorts(since, until, page))
        yield from found.rows
        page = found.next_page
        if page is None:
            return


def _cohorts(rows: Iterator[CohortRow], *, with_first_attempts: bool) -> defaultdict[str, _Cohorts]:
    found: defaultdict[str, _Cohorts] = defaultdict(_Cohorts)
    for minute, task_type, first_canary, first_control, final_canary, final_control in rows:
        moment = _EPOCH + minute * _MINUTE
        if with_first_attempts:
            found[task_type].first.append(Cohort(moment, Side(*first_canary), Side(*first_control)))
        if final_canary is not None and final_control is not None:
            found[task_type].final.append(Cohort(moment, Side(*final_canary), Side(*final_control)))
    return found


def _type(
    name: str,
    cohorts: _Cohorts,
    totals: CohortTotals,
    recent: Mapping[str, BinnedLatencies],
    flags: FeatureFlags,
) -> TypeEvidence:
    latencies = totals.latencies.get(name, _NO_LATENCIES)
    return TypeEvidence(
        name,
        (flags.of(name) or flags.overall).routes_by_tenant,
        tuple(cohorts.first),
        tuple(cohorts.final),
        Latencies(dict(latencies.canary)),
        Latencies(dict(latencies.control)),
        minutes_of(totals.backlogs, name),
        control_oldest_seconds(totals.backlogs, name, recent.get(name)),
        sum(one.canary.failed for one in cohorts.final),
        sum(one.control.failed for one in cohorts.final),
    )
