"""`supaqueue rollout gate`: may a step go on, must it go back, or what is still missing?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from supaqueue.cli.queues import whoever
from supaqueue.cli.rollout.judging import GateFile, ParityFile, gate_on, read_judged
from supaqueue.cli.rollout.options import AsJson, By, Legacy, TaskType, print_json, supabase
from supaqueue.errors import InvalidInput

if TYPE_CHECKING:
    from supaqueue.cutover.gate.conditions import Condition
    from supaqueue.cutover.gate.verdict import Verdict

CODES = {"pass": 0, "roll_back": 1, "hold": 2}
COLOURS = {"pass": "green", "hold": "yellow", "roll_back": "red"}


def gate(
    task_type: TaskType = None,
    rules: GateFile = None,
    parity_rules: ParityFile = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Begin the step anew, after it did not pass; needs --reason.")
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Why it is begun anew; kept in the history.")] = None,
    legacy: Legacy = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Judge the present step. What it must prove is declared at the first look, and decided once.

    No flag changes. Exit code 0: pass. 1: roll back. 2: hold, and what is missing. 3: it could not be judged.
    """
    if anew != bool(reason):
        raise InvalidInput("go together: say why the step begins anew", field="--anew, --reason")
    judged = read_judged(rules, parity_rules, legacy)
    with supabase() as transport, gate_on(transport, judged, by=by or whoever()) as one:
        verdict = one.look(task_type, anew=reason)
    say(verdict, as_json=as_json)
    raise typer.Exit(CODES[verdict.answer])


def say(verdict: Verdict, *, as_json: bool) -> None:
    """Print a verdict."""
    from supaqueue.cutover.gate.verdict import as_json as plain

    if as_json:
        print_json(plain(verdict))
        return
    console, step = Console(soft_wrap=True), verdict.step
    console.print(f"[{COLOURS[verdict.answer]}]{verdict.answer}[/] {escape(_about(verdict))}")
    for reason in verdict.because:
        console.print(f"  {escape(reason)}", highlight=False)
    table = Table("condition", "type", "state", "figures", "asked for", "missing", "about")
    for one in (*verdict.alarms, *verdict.conditions):
        table.add_row(*map(escape, _cells(one)))
    console.print(table)
    if step is not None and step.evidence:
        console.print(f"decided on {step.evidence}: `supaqueue rollout history --evidence {step.evidence}`")


def _about(verdict: Verdict) -> str:
    flag, step = verdict.flag, verdict.step
    whose = f"type {flag.task_type}" if flag.task_type else "overall"
    if verdict.action == "halt":
        return f"({whose}): but the legacy queue does not live, so that nothing can go there; call a person"
    if step is None:
        return f"({whose}, {flag.stage})"
    to = "" if step.next_percent is None else f" to {step.next_percent.normalize():f}"
    return f"({whose}, {step.percent.normalize():f}{to} percent, declared: {step.declared_jobs:,} jobs)"


def _cells(one: Condition) -> tuple[str, ...]:
    figures = ", ".join(f"{name} {_figure(value)}" for name, value in one.figures.items())
    about = "" if one.missing_seconds is None else _duration(one.missing_seconds)
    return (one.name, one.task_type or "", one.state, figures, one.bound, one.missing or "", about)


def _figure(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _duration(seconds: float) -> str:
    for unit, length in (("d", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
