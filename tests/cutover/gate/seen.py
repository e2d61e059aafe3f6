"""Evidence as the tests of judging need it: a canary that is like its control, and changes to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from supaqueue.contract import RolloutStep
from supaqueue.cutover.gate.compared_jobs import ComparedJobs
from supaqueue.cutover.gate.evidence import Cohort, Evidence, Latencies, Side, TypeEvidence
from supaqueue.cutover.gate.growing_backlog import Minute

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
MINUTES = 60
BIN_OF_A_SECOND = 348
"""1.02**348 is about a second, in milliseconds."""


def step(**given: Any) -> RolloutStep:
    """A step at 10 percent that is held for an hour, and judged at 500 jobs."""
    options: dict[str, Any] = {
        "step_id": 7,
        "flag_name": "supabase_queue",
        "flag_version": 3,
        "number": 1,
        "percent": Decimal(10),
        "next_percent": Decimal(50),
        "began_at": BEGAN,
        "declared_at": BEGAN,
        "declared_by": "ada",
        "reason": None,
        "mismatch_bound": 0.01,
        "seen_rate": 0.0,
        "declared_jobs": 500,
        "canary_jobs": {"count": 300},
        "holding_seconds": 3600.0,
        "decided_at": None,
        "decided_by": None,
        "verdict": None,
        "mismatch_rate": None,
        "evidence": None,
    }
    return RolloutStep(**options | given)


def cohorts(
    *, canary_failed: int = 0, control_failed: int = 0, control_known: int = 90, jobs: int = 10
) -> tuple[Cohort, ...]:
    """An hour's minutes: 10 jobs of the canary and 90 of the control each, these many of them failed."""
    return tuple(
        Cohort(
            BEGAN + timedelta(minutes=minute + 1),
            Side(jobs, jobs, jobs, canary_failed, canary_failed),
            Side(90, 90, control_known, control_failed, control_failed),
        )
        for minute in range(MINUTES)
    )


def of_type(**given: Any) -> TypeEvidence:
    """A type whose canary is as good as its control, with errors of 1 in 90 on both sides but few."""
    steady = tuple(Minute(10, 10, 1.0) for _ in range(15))
    latencies = Latencies({BIN_OF_A_SECOND: 600})
    options: dict[str, Any] = {
        "first": cohorts(),
        "final": cohorts(),
        "canary_latencies": latencies,
        "control_latencies": latencies,
        "backlog": steady,
        "control_oldest_seconds": 1.0,
    }
    return TypeEvidence("count", **options | given)


def evidence(*types: TypeEvidence, **given: Any) -> Evidence:
    """What was seen in two hours, with a legacy queue that lives."""
    options: dict[str, Any] = {"legacy_is_alive": True}
    return Evidence(BEGAN, BEGAN + timedelta(hours=2), types or (of_type(),), **options | given)


def since(began: datetime, seen: Evidence) -> Evidence:
    """The same, of a step that began then."""
    ago = began - BEGAN
    types = tuple(
        replace(
            one,
            first=tuple(replace(minute, minute=minute.minute + ago) for minute in one.first),
            final=tuple(replace(minute, minute=minute.minute + ago) for minute in one.final),
        )
        for one in seen.types
    )
    return replace(seen, since=began, until=seen.until + ago, types=types)


def compared(jobs: int = 600, different: int = 0, **given: Any) -> ComparedJobs:
    """A comparison in which all is settled."""
    return replace(ComparedJobs(BEGAN, BEGAN + timedelta(hours=1), jobs, different), **given)
