"""How long after its minute a job has to end, by task type, to be counted as what it came to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from supaqueue.contract import BinnedLatencies, DeclaredTaskType
from supaqueue.cutover.gate.evidence import BIN
from supaqueue.cutover.parity.latency import LONGEST_SETTLE_SECONDS, SETTLE_FACTOR, SETTLE_SHARE

DEFAULT_SETTLE_SECONDS = 900.0

Bins = Iterable[tuple[int, int]]


def settle_windows(
    latencies: Mapping[str, BinnedLatencies], declared: Iterable[DeclaredTaskType] = ()
) -> dict[str, float]:
    """Return, by type, for which a quarter of an hour is too short, how many seconds its jobs have.

    As a parity check does, three times what 99 percent of them took in the slower system; and as long as all
    retries may wait that were declared, if that is more. Each is a quarter of an hour doubled so many times,
    a day at most: types share few windows, and a window seldom changes.
    """
    seconds = {task_type: SETTLE_FACTOR * _slower(one) for task_type, one in latencies.items()}
    for one in declared:
        seconds[one.task_type] = max(seconds.get(one.task_type, 0.0), _retry_seconds(one))
    return {name: _doubled(need) for name, need in sorted(seconds.items()) if need > DEFAULT_SETTLE_SECONDS}


def seconds_of(bins: Bins, share: float) -> float | None:
    """Return what `share` of the jobs did not exceed, as the end of its bin; None if there are no jobs."""
    ordered = sorted(bins)
    reached, needed = 0, share * sum(jobs for _, jobs in ordered) - 1e-9
    for number, jobs in ordered:
        reached += jobs
        if reached >= needed:
            return float(BIN ** (number + 1)) / 1000
    return None


def _slower(latencies: BinnedLatencies) -> float:
    return max(seconds_of(side, SETTLE_SHARE) or 0.0 for side in (latencies.canary, latencies.control))


def _retry_seconds(declared: DeclaredTaskType) -> float:
    delay, longest = declared.retry_delay_seconds, declared.retry_max_delay_seconds
    if declared.max_attempts is None or delay is None:
        return 0.0
    waited = 0.0
    for _ in range(declared.max_attempts - 1):
        waited += min(delay, LONGEST_SETTLE_SECONDS if longest is None else longest)
        delay *= declared.retry_factor or 1.0
        if waited >= LONGEST_SETTLE_SECONDS:
            break
    return waited


def _doubled(needed: float) -> float:
    seconds = DEFAULT_SETTLE_SECONDS
    while seconds < min(needed, LONGEST_SETTLE_SECONDS):
        seconds *= 2
    return min(seconds, LONGEST_SETTLE_SECONDS)
