"""What a comparison proves: `pass`, `differences` or `inconclusive`, and what would make it a pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from supaqueue.cutover.parity.bounds import jobs_needed, lower_bound, upper_bound
from supaqueue.cutover.parity.classes import SAFETY
from supaqueue.cutover.parity.refusal import Refusal, because_refused
from supaqueue.cutover.parity.rules import Rule
from supaqueue.cutover.parity.tally import Tally

LEAST_COVERAGE = 0.95
"""Semantics, section 6: with less of the jobs compared, nothing is concluded."""

Answer = Literal["pass", "differences", "inconclusive"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was concluded.

    Attributes:
        because: each reason that it is no pass, as a sentence.
        compared: how many jobs something can be said of; `different`: those that differ.
        upper_bound: the highest rate of differences that this leaves possible, with 95 percent confidence;
            `lower_bound`: the lowest.
        declared_bound: what the upper one may be at most.
        coverage: compared jobs among those that have settled.
        further_jobs: how many more without a difference it takes; None if it passes, or more do not help.
        further_seconds: about how long those take at the present rate; None if that is not known.
    """

    answer: Answer
    because: tuple[str, ...]
    compared: int
    different: int
    upper_bound: float
    lower_bound: float
    declared_bound: float
    coverage: float
    further_jobs: int | None
    further_seconds: float | None


def verdict_of(
    tally: Tally,
    rules: Sequence[Rule],
    *,
    declared_bound: float,
    jobs_per_second: float,
    refusals: Sequence[Refusal] = (),
    notes: Sequence[str] = (),
) -> Verdict:
    """Conclude from what was counted.

    Args:
        declared_bound: the rate of differences that is to be ruled out, such as 0.01.
        jobs_per_second: at which jobs come at present; 0 if none do.
        refusals: what Supabase would not take as legacy does.
        notes: what is to be told with the reasons, if there are any.
    """
    whole = tally.whole
    compared, different = whole.compared, whole.different
    upper = upper_bound(different, compared)
    settled = whole.jobs - whole.count("pending")
    coverage = compared / settled if settled else 0.0
    is_proven = upper <= declared_bound
    # What was repaired counts in the rate; what is still so is what no rollout goes on with.
    unsafe = [name for name in sorted(SAFETY) if whole.count(name) > whole.repaired(name)]
    wrong = _because_different(different, is_proven, unsafe)
    unsure = _because_unsure(tally, rules, coverage, is_proven or different > 0)
    unsure += because_refused(refusals)
    further = None
    if not is_proven and not unsafe:
        further = max(0, jobs_needed(declared_bound, different) - compared)
    return Verdict(
        "differences" if wrong else "inconclusive" if unsure else "pass",
        (*wrong, *unsure, *(notes if wrong or unsure else ())),
        compared,
        different,
        upper,
        lower_bound(different, compared),
        declared_bound,
        coverage,
        further,
        further / jobs_per_second if further is not None and jobs_per_second else None,
    )


def _because_different(different: int, is_proven: bool, unsafe: Sequence[str]) -> list[str]:
    reasons = []
    if different and not is_proven:
        reasons.append(f"{different} jobs differ, more than the declared bound allows for so few jobs")
    if unsafe:
        reasons.append(f"there are jobs of classes that no rollout goes on with: {', '.join(unsafe)}")
    return reasons


def _because_unsure(tally: Tally, rules: Sequence[Rule], coverage: float, has_enough: bool) -> list[str]:
    reasons = []
    if not has_enough:
        reasons.append("too few jobs were compared to rule out the declared bound")
    if coverage < LEAST_COVERAGE:
        reasons.append(
            f"only {coverage:.1%} of the settled jobs could be compared, {LEAST_COVERAGE:.0%} is the least"
        )
    for rule in rules:
        if tally.rules[rule.name] > rule.cap:
            reasons.append(
                f"the rule {rule.name!r} was needed for {tally.rules[rule.name]} jobs, its cap is {rule.cap}"
            )
    return reasons
