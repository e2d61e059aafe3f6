"""Having the database count what a gate rests on; whoever watches a rollout does it every few seconds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from supaqueue.contract import CloseCohorts, ClosedCohorts, ListTaskTypes, ReadCohortTotals
from supaqueue.cutover.gate.settle_windows import DEFAULT_SETTLE_SECONDS, settle_windows
from supaqueue.transport import Transport

FIRST_SECONDS = 120.0
"""How long after its minute a first attempt has to end; its end has to be known by then."""
CALLS = 20
"""Of about a second each, at most: after days without a watch the rest is for the next time."""


def close_cohorts(
    transport: Transport,
    since: datetime,
    *,
    first_seconds: float = FIRST_SECONDS,
    settle_by_type: Mapping[str, float] | None = None,
    calls: int = CALLS,
    settle_seconds: float = DEFAULT_SETTLE_SECONDS,
) -> ClosedCohorts:
    """Have everything counted that is due by now. Any number may do it at once, and it may end anywhere.

    Args:
        since: the beginning of the running step, by the database's clock; what was stored before is not
            counted any more.
        settle_by_type: in how many seconds jobs of a type have to end, where a quarter of an hour is too
            short; by default what `windows` finds.
        calls: to the database, at most.
        settle_seconds: how long all other types' jobs have to end.

    Raises:
        CallError: Supabase gave no usable answer; what was counted until then stays.
    """
    settle = windows(transport, since) if settle_by_type is None else settle_by_type
    call = CloseCohorts(
        since, first_seconds=first_seconds, settle_seconds=settle_seconds, settle_by_type=settle
    )
    closed = transport.send(call)
    for _ in range(calls - 1):
        if not closed.more:
            break
        closed = transport.send(call)
    return closed


def windows(transport: Transport, since: datetime) -> dict[str, float]:
    """Return settle windows by what jobs took since a time, and by what is declared of their types.

    Raises:
        CallError: Supabase gave no usable answer.
    """
    totals = transport.send(ReadCohortTotals(since, datetime.max.replace(tzinfo=since.tzinfo)))
    return settle_windows(totals.latencies, transport.send(ListTaskTypes()))
