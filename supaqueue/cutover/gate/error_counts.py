"""Errors of the canary and of the control, by cohorts in which both are known equally well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from supaqueue.cutover.gate.evidence import Cohort, Side
from supaqueue.cutover.gate.excess_errors import Counts, ErrorTest

KNOWN_AS_WELL = 0.9
"""A control of which less than this part is known of what is known of the canary would seem too good."""


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """What all cohorts together say, and what the test for more errors has grown to.

    Attributes:
        skipped: cohorts of whose control too little was known.
    """

    canary: Counts
    control: Counts
    evidence: float
    skipped: int


def count_errors(cohorts: Sequence[Cohort], *, by_key: bool) -> ErrorCounts:
    """Count errors among the jobs that have come to an end; by route key where those cluster."""
    test, fair = ErrorTest(), [one for one in cohorts if is_fair(one)]
    for cohort in fair:
        canary, control = (_counts(side, by_key) for side in (cohort.canary, cohort.control))
        if jobs := canary.jobs + control.jobs:
            test.add(canary=canary.errors, control=control.errors, share=canary.jobs / jobs)
    canary = _sum(_counts(one.canary, by_key) for one in fair)
    control = _sum(_counts(one.control, by_key) for one in fair)
    return ErrorCounts(canary, control, test.evidence, len(cohorts) - len(fair))


def is_fair(cohort: Cohort) -> bool:
    """Whether as much is known of its control as of its canary."""
    return _known(cohort.control) >= KNOWN_AS_WELL * _known(cohort.canary)


def _known(side: Side) -> float:
    return side.known / side.jobs if side.jobs else 1.0


def _counts(side: Side, by_key: bool) -> Counts:
    return Counts(side.keys, side.failed_keys) if by_key else Counts(side.known, side.failed)


def _sum(counts: Iterable[Counts]) -> Counts:
    found = list(counts)
    return Counts(sum(one.jobs for one in found), sum(one.errors for one in found))
