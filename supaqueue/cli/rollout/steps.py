"""What `rollout history --steps` shows: what each share had to prove, and how that was decided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from supaqueue.cli.rollout.options import print_json
from supaqueue.contract import ListRolloutSteps, RolloutStep
from supaqueue.transport import Transport


def say_steps(transport: Transport, task_type: str | None, limit: int, *, as_json: bool) -> None:
    """Print the steps, the latest first.

    Raises:
        CallError: Supabase gave no usable answer.
    """
    found = (step for step in _steps(transport) if task_type in (None, _type_of(step)))
    steps = list(islice(found, limit))
    if as_json:
        print_json([asdict(step) for step in steps])
    else:
        _print(steps)


def _steps(transport: Transport) -> Iterator[RolloutStep]:
    page = transport.send(ListRolloutSteps(page_size=100)).steps
    while page:
        yield from page
        page = transport.send(ListRolloutSteps(before_id=page[-1].step_id, page_size=100)).steps


def _type_of(step: RolloutStep) -> str | None:
    return step.flag_name.partition(":")[2] or None


def _print(steps: list[RolloutStep]) -> None:
    table = Table("step", "flag", "percent", "began", "declared", "decided", "by", "evidence", "why anew")
    for step in steps:
        to = "" if step.next_percent is None else f" to {step.next_percent.normalize():f}"
        share = f"{step.percent.normalize():f}{to}"
        declared = (
            f"{step.declared_jobs:,} jobs, {step.mismatch_bound:.2%}, {step.holding_seconds / 3600:g} h"
        )
        decided = "not yet"
        if step.decided_at is not None:
            decided = (
                f"{(step.verdict or '').replace('_', ' ')} {step.decided_at.astimezone():%Y-%m-%d %H:%M}"
            )
        table.add_row(
            *(str(step.step_id), escape(_type_of(step) or "overall"), share),
            *(f"{step.began_at.astimezone():%Y-%m-%d %H:%M:%S}", declared, decided),
            *map(escape, (step.decided_by or step.declared_by, step.evidence or "", step.reason or "")),
        )
    Console().print(table)
