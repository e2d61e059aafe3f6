"""What takes a rollout back, looked at at every moment: `unmet` is what fires."""

from __future__ import annotations

from collections.abc import Iterator

from supaqueue.cutover.gate.compared_jobs import ComparedJobs
from supaqueue.cutover.gate.conditions import Condition, State
from supaqueue.cutover.gate.error_counts import count_errors
from supaqueue.cutover.gate.evidence import Cohort, Evidence, TypeEvidence
from supaqueue.cutover.gate.excess_errors import LEAST_ERRORS, LEAST_RATIO, LIMIT, must_roll_back
from supaqueue.cutover.gate.gate_rules import GateRules
from supaqueue.cutover.gate.growing_backlog import backlog_of

LOST_PROBES = 3
"""Semantics, section 7: so many lost in a row,"""
FAILING_SECONDS = 60.0
"""or so long a time in which over a fifth of claims and finishes fail."""
BLOCKS_ONLY = "unstamped"
"""It keeps a step from passing; that something enqueues around the router, no rollback would end."""


def alarms_of(
    evidence: Evidence, compared: ComparedJobs | None, rules: GateRules, *, tests: int
) -> tuple[Condition, ...]:
    """Return all that could take a rollout back.

    Args:
        compared: the jobs of the last while; None if they were not compared.
        tests: how many tests for errors run side by side, over all types and flags.
    """
    return (
        *(alarm for one in evidence.types for alarm in _of_type(one, rules, tests)),
        _of_safety(compared),
        *_of_probes(evidence),
        _of_worker_calls(evidence),
    )


def _of_type(seen: TypeEvidence, rules: GateRules, tests: int) -> Iterator[Condition]:
    yield _of_errors("errors", seen, seen.final, tests, "final outcomes, by minute of enqueue")
    yield _of_errors("first_attempts", seen, seen.first, tests, "first attempts, by minute of enqueue")
    found = backlog_of(
        seen.backlog,
        control_oldest_seconds=seen.control_oldest_seconds,
        objective_seconds=rules.of(seen.task_type).oldest_waiting_seconds,
    )
    yield Condition(
        "backlog",
        "unmet" if found.is_growing else "unknown" if found.rising is None else "met",
        "not falling behind in 12 of 15 minutes, with a rising age over the limit",
        "waiting jobs of Supabase's, by minute",
        seen.task_type,
        found.figures,
    )


def _of_errors(
    name: str, seen: TypeEvidence, cohorts: tuple[Cohort, ...], tests: int, source: str
) -> Condition:
    counts = count_errors(cohorts, by_key=seen.routes_by_tenant)
    fires = must_roll_back(counts.evidence, counts.canary, counts.control, tests=tests)
    figures = {
        "canary_jobs": counts.canary.jobs,
        "canary_errors": counts.canary.errors,
        "control_jobs": counts.control.jobs,
        "control_errors": counts.control.errors,
        "evidence": min(counts.evidence, 1e308),
        "skipped_cohorts": counts.skipped,
        "counts": "route keys" if seen.routes_by_tenant else "jobs",
    }
    state: State = "unmet" if fires else "met" if counts.canary.jobs and counts.control.jobs else "unknown"
    bound = (
        f"evidence below {LIMIT * tests:g} (20 for each of {tests} tests), or a ratio of at most"
        f" {LEAST_RATIO:g}, or fewer than {LEAST_ERRORS} errors"
    )
    return Condition(name, state, bound, source, seen.task_type, figures)


def _of_safety(compared: ComparedJobs | None) -> Condition:
    bound, source = "none of these", "the comparison of both systems' last jobs"
    if compared is None:
        return Condition("safety", "unknown", bound, source, missing="the two systems were not compared")
    found = {name: jobs for name, jobs in (compared.unsafe or {}).items() if name != BLOCKS_ONLY}
    return Condition("safety", "unmet" if found else "met", bound, source, figures=dict(found))


def _of_probes(evidence: Evidence) -> Iterator[Condition]:
    for one in evidence.probes:
        if one.owner == "supabase":
            yield Condition(
                "probes",
                "unmet" if one.lost_in_a_row >= LOST_PROBES else "met" if one.sent else "unknown",
                f"fewer than {LOST_PROBES} lost in a row",
                f"probes of queue {one.queue}",
                figures={
                    "queue": one.queue,
                    "sent": one.sent,
                    "lost_in_a_row": one.lost_in_a_row,
                    "workers": one.workers,
                },
            )


def _of_worker_calls(evidence: Evidence) -> Condition:
    calls, bound = evidence.worker_calls, "no minute in which over 20 percent fail"
    source = "claims and finishes of workers"
    if calls is None:
        return Condition("worker_calls", "unknown", bound, source, missing="no worker told of any")
    figures = {"sent": calls.sent, "failed": calls.failed, "seconds": calls.seconds}
    state: State = "unmet" if calls.seconds >= FAILING_SECONDS else "met"
    return Condition("worker_calls", state, bound, source, figures=figures)
