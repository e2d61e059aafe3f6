"""What lets a step pass, by what both systems' jobs are like and what became of the canary's: pure.

None of it is looked for. What follows from samples is `unknown` until they are as large as was declared, and
the step is decided when nothing is unknown any more, whatever it says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from supaqueue.contract import FeatureFlag, Json, RolloutStep
from supaqueue.cutover.gate.alarms import LOST_PROBES
from supaqueue.cutover.gate.compared_jobs import ComparedJobs, jobs_in, minutes_of
from supaqueue.cutover.gate.conditions import Condition, State
from supaqueue.cutover.gate.declaring import canary_share
from supaqueue.cutover.gate.evidence import Evidence, TypeEvidence
from supaqueue.cutover.gate.gate_rules import GateRules
from supaqueue.cutover.gate.of_type import conditions_of_type
from supaqueue.cutover.gate.sample_size import is_proven
from supaqueue.cutover.parity.bounds import upper_bound
from supaqueue.cutover.parity.verdict import LEAST_COVERAGE
from supaqueue.cutover.statistics import stats
from supaqueue.telemetry.redaction import redact

BY_CHANCE = 0.01
"""A share this unlikely does not fit the percent."""
COMPARISON = "the comparison of both systems' jobs"


@dataclass(frozen=True, slots=True)
class Asked:
    """All that a step is judged by.

    Attributes:
        sample: the first jobs of the step, at least as many as were declared; None: there are not so many.
        whole: all of its jobs; None: they were not compared, since the sample is not complete.
        now: the database's time.
    """

    flag: FeatureFlag
    step: RolloutStep
    evidence: Evidence
    rules: GateRules
    sample: ComparedJobs | None
    whole: ComparedJobs | None
    now: datetime


def conditions_of(asked: Asked) -> tuple[Condition, ...]:
    """Return all that is asked of a step."""
    return (
        _of_flag(asked.flag),
        _of_holding(asked),
        _of_legacy(asked.evidence),
        *_of_probes(asked.evidence),
        _of_sample(asked),
        _of_safety(asked.whole),
        _of_share(asked),
        *_of_types(asked),
    )


def seconds_for(jobs: int, asked: Asked) -> float | None:
    """Return about how long so many more jobs take at the present rate; None if none come."""
    seconds = (asked.now - asked.step.began_at).total_seconds()
    came = jobs_in(asked.evidence.types)
    return jobs * seconds / came if came else None


def _of_flag(flag: FeatureFlag) -> Condition:
    problems = []
    if flag.latched_at is not None:
        why = redact(flag.latch_reason or "no reason given")
        problems.append(f"latched ({why}): `supaqueue rollout clear`")
    if flag.hand_back != "none":
        problems.append("jobs go back to legacy: `supaqueue rollout hand-back --end`")
    if flag.stage in ("canary", "live") and not flag.is_enabled:
        problems.append("disabled: `supaqueue rollout enable --percent`")
    if flag.stage in ("off", "complete"):
        problems.append(f"at stage {flag.stage} there are not two systems to compare")
    return Condition(
        "flag",
        "unmet" if problems else "met",
        "neither latched nor going back, and enabled if it has a share",
        "the flag",
        figures={"version": flag.version, "stage": flag.stage, "percent": float(flag.rollout_percent)},
        missing="; ".join(problems) or None,
    )


def _of_holding(asked: Asked) -> Condition:
    step = asked.step
    held = (asked.now - step.began_at).total_seconds()
    left = max(0.0, step.holding_seconds - held)
    return Condition(
        "holding_time",
        "unknown" if left else "met",
        f"at least {step.holding_seconds / 3600:g} hours at this share",
        "the flag's history",
        figures={"held_seconds": held, "holding_seconds": step.holding_seconds},
        missing="its end" if left else None,
        missing_seconds=left or None,
    )


def _of_legacy(evidence: Evidence) -> Condition:
    is_alive = evidence.legacy_is_alive
    return Condition(
        "legacy_queue",
        "unknown" if is_alive is None else "met" if is_alive else "unmet",
        "it lives: back leads to it",
        "the legacy queue",
        missing=None if is_alive else "an answer of the legacy queue",
    )


def _of_probes(evidence: Evidence) -> Iterator[Condition]:
    bound = f"fewer than {LOST_PROBES} lost in a row"
    for one in (each for each in evidence.probes if each.owner == "legacy"):
        is_lost = one.lost_in_a_row >= LOST_PROBES
        yield Condition(
            *("legacy_probes", "unmet" if is_lost else "met", bound, f"legacy's probes of queue {one.queue}"),
            figures={"queue": one.queue, "sent": one.sent, "lost_in_a_row": one.lost_in_a_row},
            missing="a living worker there that runs probes; or `legacy_probes = false`" if is_lost else None,
        )
    for queue in evidence.unprobed:
        yield Condition(
            *("probes", "not_asked", bound, f"probes of queue {queue}"),
            figures={"queue": queue},
            missing="workers of this version: those that serve it run no probes",
        )


def _of_sample(asked: Asked) -> Condition:
    step, sample = asked.step, asked.sample
    bound = f"of {step.declared_jobs:,} jobs so few differ that at most {step.mismatch_bound:.2%} do"
    if sample is None:
        came = jobs_in(asked.evidence.types)
        short = max(1, step.declared_jobs - came)
        return Condition(
            *("mismatches", "unknown", bound, COMPARISON),
            figures={"jobs": came, "declared_jobs": step.declared_jobs},
            missing=f"{short:,} more jobs",
            missing_seconds=seconds_for(short, asked),
        )
    figures: dict[str, Json] = {
        "compared": sample.compared,
        "declared_jobs": step.declared_jobs,
        "different": sample.different,
        "upper_bound": upper_bound(sample.different, sample.compared),
        "coverage": sample.coverage,
        "report": sample.evidence,
    }
    if sample.pending or sample.compared < step.declared_jobs:
        missing = f"the ends of {sample.pending:,} jobs" if sample.pending else "more jobs to compare"
        return Condition("mismatches", "unknown", bound, COMPARISON, figures=figures, missing=missing)
    is_met = (
        is_proven(sample.different, sample.compared, step.mismatch_bound)
        and sample.coverage >= LEAST_COVERAGE
        and not sample.over_cap
    )
    return Condition("mismatches", "met" if is_met else "unmet", bound, COMPARISON, figures=figures)


def _of_safety(whole: ComparedJobs | None) -> Condition:
    bound = "no job of a class that no rollout goes on with, and nothing around the router"
    if whole is None:
        return Condition("safety", "unknown", bound, COMPARISON, missing="a comparison of the whole step")
    figures = {**(whole.unsafe or {}), "unstamped_runs": whole.unstamped_runs}
    is_met = not whole.unsafe and not whole.unstamped_runs
    return Condition("safety", "met" if is_met else "unmet", bound, COMPARISON, figures=dict(figures))


def _of_share(asked: Asked) -> Condition:
    flag = asked.flag
    expected, bound = canary_share(flag), "not unlikelier than 1 in 100 by the flag's percent"
    source = "jobs by minute of enqueue"
    if not 0.0 < expected < 1.0 or flag.by_environment or flag.supabase_tenants or flag.legacy_tenants:
        why = "a bucket alone does not decide" if expected else "Supabase has no share"
        return Condition("share", "not_asked", bound, f"{source}: {why}")
    canary, jobs = _counted(asked.evidence.types, flag.routes_by_tenant, asked.step.began_at)
    if not jobs:
        return Condition("share", "unknown", bound, source, missing="any job")
    p_value = float(stats.binomtest(canary, jobs, expected).pvalue)
    return Condition(
        *("share", "met" if p_value >= BY_CHANCE else "unmet", bound, source),
        figures={"canary": canary, "of": jobs, "expected": expected, "p_value": p_value},
    )


def _counted(types: Sequence[TypeEvidence], by_key: bool, began_at: datetime) -> tuple[int, int]:
    """Count what the canary got, and of how many; not in the minute in which older flags still counted.

    Of route keys only those of one minute, the one with most: in another one the same come again.
    """
    pairs = [
        (one.canary.keys, one.canary.keys + one.control.keys)
        if by_key
        else (one.canary.jobs, one.canary.jobs + one.control.jobs)
        for of_type in types
        for one in minutes_of(of_type)
        if one.minute > began_at
    ]
    if by_key:
        return max(pairs, key=lambda one: one[1], default=(0, 0))
    return sum(one for one, _ in pairs), sum(one for _, one in pairs)


def _of_types(asked: Asked) -> Iterator[Condition]:
    if not canary_share(asked.flag):
        yield Condition("canary", "not_asked", "nothing", "the flag: Supabase has no share of new jobs yet")
        return
    if not asked.evidence.types:
        yield Condition(
            "canary", "unknown", "jobs of at least one type", "jobs by minute of enqueue", missing="any job"
        )
    for seen in asked.evidence.types:
        yield from conditions_of_type(seen, asked.step, asked.rules, seconds=_seconds_of(seen, asked))


def _seconds_of(seen: TypeEvidence, asked: Asked) -> float | None:
    """Seconds between two ended jobs of a type that Supabase owns; None if there are none."""
    known = sum(one.canary.keys if seen.routes_by_tenant else one.canary.known for one in seen.final)
    return (asked.now - asked.step.began_at).total_seconds() / known if known else None


def is_decidable(conditions: Sequence[Condition]) -> bool:
    """Whether a step is decided on these: nothing is unknown, and what is no sample is in order."""
    states: dict[str, State] = {one.name: one.state for one in conditions}
    is_known = all(one.state != "unknown" for one in conditions)
    return is_known and states["flag"] == states["legacy_queue"] == "met"
