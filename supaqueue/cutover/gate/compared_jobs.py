"""What comparing the jobs of both systems says to a gate, and which of them a step is decided on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from supaqueue.cutover.gate.evidence import Cohort, TypeEvidence
from supaqueue.cutover.parity.check import Checked
from supaqueue.cutover.parity.classes import SAFETY
from supaqueue.cutover.parity.report import evidence

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ComparedJobs:
    """What the jobs of a time are like in both systems.

    Attributes:
        compared: of how many something can be said; `different`: how many of them differ.
        pending: how many have not settled yet.
        coverage: compared jobs among those that have settled.
        unsafe: how many are of classes that no rollout goes on with, and were not repaired, by class.
        unstamped_runs: messages that came around the router, and ran in legacy.
        over_cap: rules that were needed for more jobs than they may be.
        evidence: the hash of the report.
    """

    since: datetime
    until: datetime
    compared: int
    different: int
    pending: int = 0
    coverage: float = 1.0
    unsafe: Mapping[str, int] | None = None
    unstamped_runs: int = 0
    over_cap: tuple[str, ...] = ()
    evidence: str = ""


Compare = Callable[[datetime, datetime, Collection[str] | None], ComparedJobs]
"""Compares the jobs of a time, of these task types; None: of all."""


def compared_jobs(checked: Checked, since: datetime, until: datetime) -> ComparedJobs:
    """Return what a comparison says to a gate."""
    report, verdict = cast(Mapping[str, Any], checked.report), checked.verdict
    unsafe: dict[str, int] = {}
    for found in (one for of_type in report["types"] for one in of_type["classes"]):
        if found["name"] in SAFETY and found["count"] > found["repaired"]:
            name = found["name"]
            unsafe[name] = unsafe.get(name, 0) + found["count"] - found["repaired"]
    return ComparedJobs(
        since,
        until,
        verdict.compared,
        verdict.different,
        report["classes"].get("pending", 0),
        verdict.coverage,
        unsafe,
        report["unstamped_runs"],
        tuple(rule["name"] for rule in report["rules"] if rule["jobs"] > rule["cap"]),
        evidence(checked.report),
    )


def jobs_in(types: Sequence[TypeEvidence]) -> int:
    """How many jobs were enqueued in the minutes that were counted."""
    return sum(one.canary.jobs + one.control.jobs for of_type in types for one in minutes_of(of_type))


def minutes_of(seen: TypeEvidence) -> tuple[Cohort, ...]:
    """Return a type's minutes; by first attempts, which are counted sooner, if they are at all."""
    return seen.first or seen.final


def end_of_first(types: Sequence[TypeEvidence], jobs: int) -> datetime | None:
    """Return when the minute ended in which so many jobs had been enqueued; None if they have not been.

    What the jobs came to has no part in it, so that the first so many are not chosen by their outcome.
    """
    by_minute: dict[datetime, int] = {}
    for cohort in (one for of_type in types for one in minutes_of(of_type)):
        came = cohort.canary.jobs + cohort.control.jobs
        by_minute[cohort.minute] = by_minute.get(cohort.minute, 0) + came
    total = 0
    for minute, came in sorted(by_minute.items()):
        total += came
        if total >= jobs:
            return minute + MINUTE
    return None
