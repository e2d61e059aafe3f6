"""Whether the objective was met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from supaqueue.cli.loadtest.measured import Measured
from supaqueue.cli.loadtest.plan import LoadPlan

Answer = Literal["met", "missed", "inconclusive"]

LAG_SHARE = 0.1
"""Of the objective: if this process is late by more than that, its own lateness is no longer small."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, and why it is that; `reasons` is empty if the objective was met."""

    answer: Answer
    reasons: tuple[str, ...] = ()


def judge(
    plan: LoadPlan, measured: Measured, lag_seconds: float | None, stopped: str | None = None
) -> Verdict:
    """Judge a run.

    A job that was refused, failed, vanished, was not sent or has not ended has missed the objective, as one
    that took too long has: what never came is not left out of a percentile.

    Args:
        lag_seconds: by how much this process was late itself, at the 95th percentile; None if not measured.
        stopped: why it did not go to its end; None if it did.
    """
    too_little = _too_little(plan, measured, stopped)
    if too_little:
        return Verdict("inconclusive", too_little)
    missed = _missed(plan, measured)
    if not missed:
        return Verdict("met")
    if lag_seconds is not None and lag_seconds > LAG_SHARE * plan.slo_seconds:
        late = (
            f"the load test itself was late by {lag_seconds * 1000:.0f} ms at the 95th percentile: this"
            " machine cannot keep that rate; use a lower --rate, or a machine that does nothing else"
        )
        return Verdict("inconclusive", (late, *missed))
    return Verdict("missed", missed)


def errors_of(measured: Measured) -> int:
    """Return how many jobs were refused, failed, or vanished."""
    return measured.refused + measured.ended["failed"] + measured.ended["cancelled"] + measured.vanished


def _too_little(plan: LoadPlan, measured: Measured, stopped: str | None) -> tuple[str, ...]:
    reasons = [stopped] if stopped else []
    if measured.due < plan.needed_jobs:
        reasons.append(
            f"{measured.due} jobs were due, and the {plan.percentile:g}th percentile needs"
            f" {plan.needed_jobs}: go on for longer, or with a higher --rate"
        )
    return tuple(reasons)


def _missed(plan: LoadPlan, measured: Measured) -> tuple[str, ...]:
    reasons = []
    share, errors = 100 * measured.within / measured.due, 100 * errors_of(measured) / measured.due
    if share < plan.percentile:
        reasons.append(
            f"{share:.2f} percent completed within {plan.slo_seconds * 1000:g} ms of being due;"
            f" {plan.percentile:g} must"
        )
    if errors > plan.most_errors:
        reasons.append(f"{errors:.2f} percent were refused or failed; at most {plan.most_errors:g} may")
    return tuple(reasons)
