"""What a step has to prove, declared when it begins: pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

from supaqueue.contract import BegunStep, DeclareRolloutStep, FeatureFlag, RolloutStep
from supaqueue.cutover.gate.error_counts import count_errors
from supaqueue.cutover.gate.evidence import TypeEvidence
from supaqueue.cutover.gate.excess_errors import LEAST_RATIO
from supaqueue.cutover.gate.gate_rules import GateRules, Share
from supaqueue.cutover.gate.latency_values import latencies_to_declare
from supaqueue.cutover.gate.not_worse import SIGNIFICANT
from supaqueue.cutover.gate.sample_size import MOST_JOBS, POWER, jobs_to_declare
from supaqueue.cutover.parity.bounds import jobs_needed
from supaqueue.cutover.statistics import stats


def next_share(flag: FeatureFlag, rules: GateRules) -> Share | None:
    """Return the share that comes after the present one; None at 100 percent."""
    return next((one for one in rules.shares if one.percent > flag.rollout_percent), None)


def holding_seconds(flag: FeatureFlag, rules: GateRules) -> float:
    """Return how long the present share is held: as the highest one that it reaches; 0.0 below the first."""
    reached = [one for one in rules.shares if one.percent <= flag.rollout_percent]
    return reached[-1].holding_seconds if reached else 0.0


def canary_share(flag: FeatureFlag) -> float:
    """Return the share of new jobs that the flag gives to Supabase, from 0 to 1."""
    if not flag.is_enabled or flag.stage not in ("canary", "live"):
        return 0.0
    most = 100 - flag.holdback_percent if flag.stage == "live" else Decimal(100)
    return float(min(flag.rollout_percent, most)) / 100


def declaration(
    flag: FeatureFlag,
    begun: BegunStep,
    seen: Sequence[TypeEvidence],
    rules: GateRules,
    *,
    seen_rate: float,
    by: str,
    before: RolloutStep | None = None,
    reason: str | None = None,
) -> DeclareRolloutStep:
    """Return the declaration of the present step.

    Args:
        seen: what was seen of the types before the step.
        seen_rate: of the jobs compared before it, how many differed, from 0 to 1.
        before: the same step, decided, when it is begun anew; that takes a `reason`.
    """
    following = next_share(flag, rules)
    bound = (following or rules.shares[-1]).mismatch_bound
    return DeclareRolloutStep(
        flag_name=flag.flag_name,
        flag_version=begun.flag_version,
        next_percent=following.percent if following else None,
        mismatch_bound=bound,
        seen_rate=seen_rate,
        # A rate at the bound or above cannot pass; the fewest jobs show it soonest.
        declared_jobs=jobs_to_declare(bound, seen_rate) or jobs_needed(bound),
        canary_jobs={one.task_type: canary_jobs(one, canary_share(flag), rules) for one in seen},
        holding_seconds=holding_seconds(flag, rules),
        declared_by=by,
        number=before.number + 1 if before else 1,
        reason=reason,
    )


def canary_jobs(seen: TypeEvidence, share: float, rules: GateRules) -> int:
    """Return at how many ended jobs of Supabase's a type is judged.

    As many as prove, 9 times in 10, that a canary which is like the control has no more than twice its errors
    or keeps the objective, whichever takes fewer; and that it is no slower.
    """
    counts = count_errors(seen.final, by_key=seen.routes_by_tenant)
    objectives = rules.of(seen.task_type)
    objective = objectives.error_objective
    ways = [jobs_to_declare(objective, counts.control.rate), _jobs_for_ratio(counts.control.rate, share)]
    errors = min((one for one in ways if one is not None), default=jobs_needed(objective))
    latencies = latencies_to_declare(seen.control_latencies, share, objectives.latency_margin_seconds)
    return min(MOST_JOBS, max(errors, latencies))


def _jobs_for_ratio(rate: float, share: float) -> int | None:
    """Jobs of the canary that bound the ratio of two equal rates by two; its logarithm is near normal."""
    if rate <= 0.0 or not 0.0 < share < 1.0:
        return None
    deviations = float(stats.norm.ppf(1.0 - SIGNIFICANT) + stats.norm.ppf(POWER))
    errors = (deviations / math.log(LEAST_RATIO)) ** 2 / (1.0 - share)
    return math.ceil(errors / rate)
