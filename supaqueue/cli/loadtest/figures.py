"""A load test's figures as plain data, as `--json` prints them."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from typing import Any

from supaqueue.cli.loadtest.backlog import Backlog
from supaqueue.cli.loadtest.latencies import Latencies
from supaqueue.cli.loadtest.run import LoadTest
from supaqueue.cli.loadtest.timeline import Slice
from supaqueue.cli.loadtest.verdict import errors_of

LATENCIES = ("late", "answer", "pickup", "run", "finish")


def figures_of(found: LoadTest) -> dict[str, Any]:
    """Return everything that was found; durations are in the unit that their name says."""
    measured, plan = found.measured, found.plan
    return {
        "verdict": found.verdict.answer,
        "reasons": list(found.verdict.reasons),
        "began_at": found.began_at.isoformat(),
        "load": _load(found),
        "objective": _objective(found),
        "jobs": _jobs(found),
        "errors": dict(measured.errors),
        "latency_ms": {name: _latency(getattr(measured, name)) for name in LATENCIES},
        "idle_finish_ms": _ms(found.idle_seconds),
        "backlog": _backlogs(found),
        "producers": {
            "loop_lag_ms": _latency(found.lag.latencies),
            "cpu_percent": round(found.sending.cpu_percent, 1),
            "load_average": round(found.sending.load_average, 2),
        },
        "clocks": {
            name: {"error_ms": _ms(clock.error_seconds) if isfinite(clock.error_seconds) else None}
            for name, clock in sorted(measured.clocks.items())
        },
        "failed_looks": found.failed_looks,
        "cleaned_up": asdict(found.cleaned_up) | {"tag": plan.tag},
        "timeline": _timeline(found),
    }


def _load(found: LoadTest) -> dict[str, Any]:
    plan, seconds = found.plan, found.sending.seconds
    return {
        "queue": plan.queue,
        "task_type": plan.task_type,
        "duration_seconds": plan.duration_seconds,
        "concurrency": plan.concurrency,
        "rate": plan.rate,
        "seed": plan.seed,
        "sending_seconds": round(seconds, 2),
        "sent_rate": round(found.measured.sent / seconds, 1),
    }


def _objective(found: LoadTest) -> dict[str, Any]:
    measured, plan = found.measured, found.plan
    due = max(measured.due, 1)
    return {
        "slo_ms": plan.slo_seconds * 1000,
        "percentile": plan.percentile,
        "within": measured.within,
        "within_percent": round(100 * measured.within / due, 3),
        "most_errors_percent": plan.most_errors,
        "errors_percent": round(100 * errors_of(measured) / due, 3),
    }


def _jobs(found: LoadTest) -> dict[str, Any]:
    measured = found.measured
    return {
        "due": measured.due,
        "sent": measured.sent,
        "accepted": measured.accepted,
        "completed": measured.ended["completed"],
        "failed": measured.ended["failed"],
        "cancelled": measured.ended["cancelled"],
        "refused": measured.refused,
        "unsent": measured.unsent,
        "unended": measured.unended,
        "vanished": measured.vanished,
        "by_owner": dict(measured.owners),
    }


def _backlogs(found: LoadTest) -> dict[str, Any]:
    slices = [one for _, one in found.measured.timeline.in_order()]
    ages = [one.oldest_seconds for one in slices if one.oldest_seconds is not None]
    return {
        "before": _backlog(found.before),
        "peak": {
            "waiting": max((one.waiting for one in slices if one.waiting is not None), default=None),
            "running": max((one.running for one in slices if one.running is not None), default=None),
            "oldest_seconds": max(ages, default=None),
        },
        "after": _backlog(found.after),
        "drained": found.drained_after is not None,
        "drained_after_seconds": None if found.drained_after is None else round(found.drained_after, 3),
    }


def _backlog(backlog: Backlog | None) -> dict[str, Any] | None:
    return None if backlog is None else asdict(backlog)


def _timeline(found: LoadTest) -> dict[str, Any]:
    timeline = found.measured.timeline
    return {
        "slice_seconds": timeline.slice_seconds,
        "slices": [_slice(at, one, opened, in_flight) for at, one, opened, in_flight in with_backlog(found)],
    }


def with_backlog(found: LoadTest) -> list[tuple[float, Slice, int, int]]:
    """Return each slice with its first second, and how many jobs were open at its end, and in flight.

    Open: due and not ended, those among them that wait for a producer. In flight: accepted and not ended.
    """
    rows, opened, in_flight = [], 0, 0
    for at, one in found.measured.timeline.in_order():
        opened += one.due - one.ended - one.refused
        in_flight += one.accepted - one.ended
        # A job may end before its enqueue is answered.
        rows.append((at, one, max(0, opened), max(0, in_flight)))
    return rows


def _slice(at: float, one: Slice, opened: int, in_flight: int) -> dict[str, Any]:
    return {
        "at_seconds": at,
        "due": one.due,
        "accepted": one.accepted,
        "refused": one.refused,
        "ended": one.ended,
        "missed_objective": one.late,
        "open": opened,
        "in_flight": in_flight,
        "finish_p50_ms": one.finish_at(50),
        "finish_p95_ms": one.finish_at(95),
        "waiting": one.waiting,
        "running": one.running,
        "oldest_seconds": one.oldest_seconds,
    }


def _latency(latencies: Latencies) -> dict[str, Any]:
    return {"count": len(latencies)} | latencies.milliseconds()


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
