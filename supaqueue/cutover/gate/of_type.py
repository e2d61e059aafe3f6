"""What is asked of one task type: that the canary fails no more, is no slower and keeps up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from supaqueue.contract import Json, RolloutStep
from supaqueue.cutover.gate.conditions import Condition, State
from supaqueue.cutover.gate.error_counts import ErrorCounts, count_errors
from supaqueue.cutover.gate.evidence import TypeEvidence
from supaqueue.cutover.gate.excess_errors import LEAST_RATIO, Counts
from supaqueue.cutover.gate.gate_rules import GateRules
from supaqueue.cutover.gate.growing_backlog import FALLING_BEHIND, backlog_of
from supaqueue.cutover.gate.latency_values import latency_values
from supaqueue.cutover.gate.not_worse import (
    LEAST_LATENCIES,
    SIGNIFICANT,
    highest_ratio,
    latency_p_value,
    meets_objective,
)
from supaqueue.cutover.parity.bounds import jobs_needed, upper_bound
from supaqueue.cutover.statistics import stats


def conditions_of_type(
    seen: TypeEvidence, step: RolloutStep, rules: GateRules, *, seconds: float | None
) -> Iterator[Condition]:
    """Return what is asked of a type.

    Args:
        seconds: between two ended jobs of its canary; None if there are none.
    """
    counts = count_errors(seen.final, by_key=seen.routes_by_tenant)
    objectives = rules.of(seen.task_type)
    objective = objectives.error_objective
    declared = step.canary_jobs.get(seen.task_type) or jobs_needed(objective)
    yield _of_errors(seen, counts, declared, objective, seconds)
    yield _of_latency(seen, objectives.latency_margin_seconds, seconds)
    yield _of_backlog(seen, rules)
    yield _of_dead_letters(seen, counts.canary.jobs >= declared)


def _of_errors(
    seen: TypeEvidence, counts: ErrorCounts, declared: int, objective: float, seconds: float | None
) -> Condition:
    canary, control = counts.canary, counts.control
    bound = f"the ratio to the control's under {LEAST_RATIO:g}, or the rate under {objective:.2%}, at most"
    source = "final outcomes of " + ("route keys" if seen.routes_by_tenant else "jobs")
    figures: dict[str, Json] = {"canary_jobs": canary.jobs, "declared_jobs": declared}
    figures |= {"control_jobs": control.jobs, "skipped_cohorts": counts.skipped}
    if canary.jobs < declared:
        return _short("errors", declared - canary.jobs, bound, source, seen, figures, seconds)
    ratio = highest_ratio(canary, control)
    figures |= {
        "canary_errors": canary.errors,
        "control_errors": control.errors,
        "highest_ratio": ratio if ratio < float("inf") else None,
        "highest_rate": upper_bound(canary.errors, canary.jobs),
    }
    is_met = ratio < LEAST_RATIO or meets_objective(canary, objective)
    return Condition("errors", "met" if is_met else "unmet", bound, source, seen.task_type, figures)


def _of_latency(seen: TypeEvidence, margin_seconds: float, seconds: float | None) -> Condition:
    canary, control = (latency_values(one) for one in (seen.canary_latencies, seen.control_latencies))
    bound = f"not slower than the control by 10 percent and at least {1000 * margin_seconds:g} ms"
    source = "time from when jobs were due to their end"
    p_value = latency_p_value(canary, control, margin_seconds)
    figures: dict[str, Json] = {"canary_values": len(canary), "control_values": len(control)}
    if p_value is None:
        short = LEAST_LATENCIES - min(len(canary), len(control))
        return _short("latency", short, bound, source, seen, figures, seconds)
    state: State = "met" if p_value < SIGNIFICANT else "unmet"
    return Condition("latency", state, bound, source, seen.task_type, figures | {"p_value": p_value})


def _of_backlog(seen: TypeEvidence, rules: GateRules) -> Condition:
    objective = rules.of(seen.task_type).oldest_waiting_seconds
    found = backlog_of(
        seen.backlog,
        control_oldest_seconds=seen.control_oldest_seconds,
        objective_seconds=objective,
    )
    state: State = "unmet" if found.is_growing else "met"
    missing = None
    short = rules.least_backlog_minutes - len(seen.backlog)
    if short > 0:
        state, missing = "unknown", f"{short} more minutes of it"
    elif found.limit_seconds is None and found.falling_behind >= FALLING_BEHIND and found.is_rising:
        state, missing = "unknown", "an age to compare with: the control's, or oldest_waiting_seconds"
    seconds = 60.0 * short if short > 0 else None
    bound, source = "it does not grow", "waiting jobs of Supabase's, by minute"
    return Condition("backlog", state, bound, source, seen.task_type, found.figures, missing, seconds)


def _of_dead_letters(seen: TypeEvidence, has_enough: bool) -> Condition:
    """Of so many dead letters in all, the canary's are no more than its share of the jobs explains."""
    canary = Counts(sum(one.canary.jobs for one in seen.final), seen.canary_dead_letters)
    control = Counts(sum(one.control.jobs for one in seen.final), seen.control_dead_letters)
    figures: dict[str, Json] = {
        "canary": canary.errors,
        "canary_jobs": canary.jobs,
        "control": control.errors,
        "control_jobs": control.jobs,
    }
    bound, source = "no more of the canary's jobs than of the control's, beyond chance", "dead letters"
    if not has_enough:
        return Condition("dead_letters", "unknown", bound, source, seen.task_type, figures, "as for errors")
    jobs, dead = canary.jobs + control.jobs, canary.errors + control.errors
    p_value = 1.0
    if dead and control.jobs:
        p_value = float(stats.binomtest(canary.errors, dead, canary.jobs / jobs, "greater").pvalue)
    state: State = "met" if p_value >= SIGNIFICANT else "unmet"
    return Condition("dead_letters", state, bound, source, seen.task_type, figures | {"p_value": p_value})


def _short(
    name: str,
    jobs: int,
    bound: str,
    source: str,
    seen: TypeEvidence,
    figures: Mapping[str, Json],
    seconds: float | None,
) -> Condition:
    missing = f"{jobs:,} more ended jobs"
    about = jobs * seconds if seconds is not None else None
    return Condition(name, "unknown", bound, source, seen.task_type, figures, missing, about)
