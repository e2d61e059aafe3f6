"""A report on a terminal: the verdict first, then what differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from supaqueue.cutover.parity.classes import CLEAN
from supaqueue.cutover.parity.verdict import Verdict

COLOURS = {"pass": "green", "differences": "red", "inconclusive": "yellow"}
SHOWN_SAMPLES = 3
SHOWN_PATHS = 3


def print_report(report: Mapping[str, Any], verdict: Verdict, evidence: str) -> None:
    """Print a report."""
    console = Console(soft_wrap=True)
    if report["types"]:
        console.print(_classes(report))
    for one in report["types"]:
        for found in one["classes"]:
            if found["name"] not in CLEAN:
                _print_class(console, one["task_type"], found)
        _print_noise(console, one)
    for rule in report["rules"]:
        _print_rule(console, rule)
    for refusal in report["preflight"]:
        _print_refusal(console, refusal)
    for share in report["shares"]:
        _print_share(console, share)
    if report["unstamped_runs"]:
        console.print(f"[yellow]{report['unstamped_runs']} runs of messages without a stamp[/]")
    _print_verdict(console, verdict)
    console.print(f"evidence: {evidence}", highlight=False)


def _classes(report: Mapping[str, Any]) -> Table:
    table = Table("type", "class", "jobs", "rate", "at most", "first seen", "last seen", "repaired")
    for one in report["types"]:
        for found in one["classes"]:
            table.add_row(
                escape(one["task_type"] or "(only the id is known)"),
                found["name"],
                f"{found['count']:,}",
                "" if found["rate"] is None else f"{found['rate']:.2%}",
                "" if found["name"] in CLEAN else f"{found['upper_bound']:.2%}",
                _short(found["first_seen"]),
                _short(found["last_seen"]),
                f"{found['repaired']:,}" if found["repaired"] else "",
            )
    return table


def _print_class(console: Console, task_type: str | None, found: Mapping[str, Any]) -> None:
    paths = [f"{one['path']} ({one['kind']}, {one['jobs']:,} jobs)" for one in found["paths"][:SHOWN_PATHS]]
    console.print(f"[red]{found['name']}[/] of {escape(str(task_type))}: {escape('; '.join(paths))}")
    for sample in found["samples"][:SHOWN_SAMPLES]:
        console.print(f"  {sample['job_id']}", highlight=False)
        for one in sample["differences"]:
            console.print(
                f"    {one['path']}: legacy {one['legacy']!r}, Supabase {one['supabase']!r}", markup=False
            )


def _print_noise(console: Console, of_type: Mapping[str, Any]) -> None:
    noise = of_type["noise"]
    if noise is None:
        return
    console.print(
        f"noise of {escape(str(of_type['task_type']))}: {noise['repeats']:,} runs repeated in legacy,"
        f" {noise['excused']:,} jobs differ by no more than legacy from itself",
        highlight=False,
    )
    for path in noise["paths"][:SHOWN_PATHS]:
        between = "" if path["between"] is None else f", from Supabase in {path['between']:.2%}"
        state = "" if path["is_excused"] else ": not excused"
        console.print(
            f"  {path['path']}: legacy differs from itself in {path['rate']:.2%}{between}{state}",
            markup=False,
        )


def _print_rule(console: Console, rule: Mapping[str, Any]) -> None:
    state = (
        "expired, does not count"
        if rule["has_expired"]
        else f"{rule['jobs']:,} of at most {rule['cap']:,} jobs"
    )
    console.print(f"rule {escape(rule['name'])} of {escape(rule['owner'])}: {state}")


def _print_refusal(console: Console, refusal: Mapping[str, Any]) -> None:
    colour = "red" if refusal["is_refused"] else "yellow"
    worst = refusal["worst"]
    if refusal["limit"] is not None:
        worst = f"limit {refusal['limit']:,g}, worst {worst:,g}"
    console.print(
        f"[{colour}]{refusal['reason']}[/] of {escape(str(refusal['task_type'] or 'all types'))}:"
        f" {refusal['jobs']:,} of {refusal['checked']:,} jobs{', ' if worst else ''}{escape(worst or '')}",
        highlight=False,
    )


def _print_share(console: Console, share: Mapping[str, Any]) -> None:
    found = share["supabase"] / share["jobs"]
    if share["expected"] is None:
        expected = "what to expect is not known: the flag changed, or more than the bucket decides"
    else:
        expected = f"{share['expected']:.2%} expected, p = {share['p_value']:.2g}"
    console.print(f"{escape(share['flag_name'])}: {found:.2%} given to Supabase, {expected}", highlight=False)


def _print_verdict(console: Console, verdict: Verdict) -> None:
    colour = COLOURS[verdict.answer]
    console.print(
        f"[{colour}]{verdict.answer}[/]: {verdict.different:,} of {verdict.compared:,} jobs differ: the rate"
        f" is at most {verdict.upper_bound:.2%} (95 percent confidence), declared was"
        f" {verdict.declared_bound:.2%}"
    )
    for reason in verdict.because:
        console.print(f"  {escape(reason)}")
    if verdict.further_jobs:
        seconds = verdict.further_seconds
        about = "" if seconds is None else f", about {_duration(seconds)} at this rate"
        console.print(f"  {verdict.further_jobs:,} further jobs without a difference would do{about}")


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def _short(moment: str | None) -> str:
    return (moment or "")[:19].replace("T", " ")
