"""By what the demo's gate judges: rules like any user's, in a file, and how they differ from the defaults.

What a rehearsal of minutes cannot have is time. So the holding times, settle windows and minutes of backlog
are shorter; sample sizes and bounds stay what they are by default where workers run jobs fast enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from supaqueue.cutover.gate.close_cohorts import FIRST_SECONDS
from supaqueue.cutover.gate.gate_rules import GateRules, load_gate_rules
from supaqueue.cutover.gate.sample_size import jobs_to_declare
from supaqueue.cutover.gate.settle_windows import DEFAULT_SETTLE_SECONDS

INTERVAL_SECONDS = 3.0
USUAL_INTERVAL_SECONDS = 60.0

FROM_A_FOLDER = """\
least_backlog_minutes = 1
first_seconds = 5
settle_seconds = 10

[[step]]
percent = 10
mismatch_bound = 1.0
holding_hours = 0.0125

[[step]]
percent = 50
mismatch_bound = 0.5
holding_hours = 0.0125

[[step]]
percent = 100
mismatch_bound = 0.1
holding_hours = 0.0125
"""
"""45 seconds a step; sample sizes and bounds as by default."""

FROM_A_BROKER = """\
least_backlog_minutes = 1
first_seconds = 10
settle_seconds = 40

[[step]]
percent = 10
mismatch_bound = 1.0
holding_hours = 0.0125

[[step]]
percent = 50
mismatch_bound = 1.0
holding_hours = 0.0125

[[step]]
percent = 100
mismatch_bound = 0.5
holding_hours = 0.0125

[default]
error_objective = 5.0
latency_margin_seconds = 0.5
"""
"""Where a worker forks for each job, or seldom looks for dead ones, jobs are fewer and retries later.

A broker pushes what a worker over HTTP asks for, and one machine has all the parts of both systems.
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """One rule of the rehearsal's beside the default one, both as a person reads them."""

    rule: str
    by_default: str
    here: str


def write_rules(kind: str, path: Path) -> GateRules:
    """Write the rules for a rehearsal of leaving one kind of queue, and return what a gate reads of them."""
    path.write_text(FROM_A_FOLDER if kind == "folder" else FROM_A_BROKER)
    return load_gate_rules(path)


def differences(here: GateRules) -> tuple[Difference, ...]:
    """Return every rule that is not the default one."""
    return tuple(one for one in _compared(GateRules(), here) if one.by_default != one.here)


def _compared(usual: GateRules, here: GateRules) -> Iterator[Difference]:
    yield Difference("a look every", _time(USUAL_INTERVAL_SECONDS), _time(INTERVAL_SECONDS))
    for share, other in zip(usual.shares, here.shares, strict=True):
        at = f"{share.percent} percent"
        yield Difference(f"held at {at}", _time(share.holding_seconds), _time(other.holding_seconds))
        yield Difference(f"proof before {at}", _proof(share.mismatch_bound), _proof(other.mismatch_bound))
    objectives = usual.default.error_objective, here.default.error_objective
    yield Difference("error objective of the canary", *map(_proof, objectives))
    margins = usual.default.latency_margin_seconds, here.default.latency_margin_seconds
    yield Difference("the canary may be slower by", *(f"{1000 * one:g} ms" for one in margins))
    minutes = usual.least_backlog_minutes, here.least_backlog_minutes
    yield Difference("backlog known of", *(_time(60.0 * one) for one in minutes))
    first = (FIRST_SECONDS if one.first_seconds is None else one.first_seconds for one in (usual, here))
    yield Difference("first attempts counted after", *map(_time, first))
    settle = (
        DEFAULT_SETTLE_SECONDS if one.settle_seconds is None else one.settle_seconds for one in (usual, here)
    )
    yield Difference("final outcomes counted after", *map(_time, settle))


def _proof(bound: float) -> str:
    return f"under {100 * bound:g} percent, {jobs_to_declare(bound):,} jobs"


def _time(seconds: float) -> str:
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
