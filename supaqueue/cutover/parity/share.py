"""Whether as many jobs were given to Supabase as the percent says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from supaqueue.contract import FeatureFlag, FeatureFlags
from supaqueue.cutover.legacy.entry import Owner
from supaqueue.cutover.parity.pairs import Pair
from supaqueue.cutover.statistics import stats

Owners = Mapping[str | None, Counter[Owner]]
"""How many jobs of a type were given to each system when they came."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one row of the flag gave to Supabase.

    Attributes:
        supabase: how many of `jobs` it got.
        expected: the share that the row says; None where a bucket alone does not decide, or the row changed
            within the time.
        p_value: how likely a share at least as far off is by chance (exact two-sided binomial test).
    """

    flag_name: str
    supabase: int
    jobs: int
    expected: float | None
    p_value: float | None


def placed_with(pair: Pair) -> Owner:
    """Return which system was given a job when it came: each hand-over since then changed that."""
    known = pair.supabase or pair.legacy
    assert known is not None
    if known.epoch % 2 == 0:
        return known.owner
    return "legacy" if known.owner == "supabase" else "supabase"


def accepted_at(pair: Pair) -> int:
    """Return when the system that it was given to accepted a job; the other one, if that one lost it."""
    legacy, supabase = pair
    if legacy is None or supabase is None:
        known = legacy or supabase
        assert known is not None
        return known.accepted_at
    return (legacy if placed_with(pair) == "legacy" else supabase).accepted_at


def shares_of(owners: Owners, flags: FeatureFlags, since: datetime) -> list[Share]:
    """Return the share of each row that speaks for any of these types, the overall one first."""
    by_flag: dict[str, Counter[Owner]] = {}
    rows = {flag.flag_name: flag for flag in (flags.overall, *flags.types)}
    for task_type, counts in owners.items():
        flag = (flags.of(task_type) if task_type else None) or flags.overall
        by_flag.setdefault(flag.flag_name, Counter()).update(counts)
    return [_share(flag, by_flag[name], since) for name, flag in rows.items() if name in by_flag]


def _share(flag: FeatureFlag, counts: Counter[Owner], since: datetime) -> Share:
    expected, jobs = _expected(flag, since), counts.total()
    p_value = None
    if expected is not None and jobs:
        p_value = float(stats.binomtest(counts["supabase"], jobs, expected).pvalue)
    return Share(flag.flag_name, counts["supabase"], jobs, expected, p_value)


def _expected(flag: FeatureFlag, since: datetime) -> float | None:
    has_lists = flag.supabase_tenants or flag.legacy_tenants
    if has_lists or flag.routes_by_tenant or flag.by_environment or flag.updated_at > since:
        return None
    if flag.stage == "complete":
        return 1.0
    if flag.stage not in ("canary", "live") or not flag.is_enabled:
        return 0.0
    most = 100 - flag.holdback_percent if flag.stage == "live" else flag.rollout_percent
    return float(min(flag.rollout_percent, most)) / 100
