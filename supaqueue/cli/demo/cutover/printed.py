"""What `supaqueue demo --cutover` prints: stage by stage, what the watch did, and by which rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from supaqueue.cli.demo.cutover.broken import Broken
from supaqueue.cli.demo.cutover.rehearsal import Difference
from supaqueue.cli.demo.cutover.run import Played
from supaqueue.cli.demo.cutover.summary import StageSummary
from supaqueue.cli.demo.cutover.watching import PassedStep

MEANINGS = {
    "jobs": "accepted, in all stages",
    "lost": "accepted, and no system recorded an end, or no handler was seen to finish",
    "run_twice": "began in both systems, or ended in both",
    "reruns": "further starts in the same system, after a kill or a failed attempt",
    "wrong": "not completed, or with another result than the one computed directly",
    "disagreeing": "the witness saw another system finish it than the one that recorded its end",
    "reads": "of accepted jobs, by the producers",
    "unread": "of these, reads that found nothing",
    "repeats": "enqueues that were refused for the moment, and sent again",
    "seconds": "from the start of Postgres to the last comparison",
}
ROWS = {
    "percent": "percent",
    "jobs": "jobs",
    "owned_by_supabase": " of Supabase's",
    "owned_by_legacy": " of legacy's",
    "at_change": "jobs at change",
    "run_by_supabase": "run by Supabase",
    "run_by_legacy": "run by legacy",
    "shadow_runs": "shadow runs",
    "mirrored": "mirrored",
    "relayed": "relayed",
    "handed_over": "handed over",
    "read_fallbacks": "read fallbacks",
    "lost": "lost",
    "run_twice": "run twice",
    "reruns": "reruns",
}
FAULTS = {
    "kind": "broken on purpose, in Supabase's workers alone",
    "percent": "the share at which that was",
    "expected": "what the watch is to do of it",
    "ending": "what it did",
    "planted": "runs that the fault struck",
    "seconds_to_decision": "from the first of them to the decision",
    "seconds_to_last_claim": "from the first of them to the last claim",
    "claims_after": "claims after the flag had changed, before a person let what had started be ended",
    "percent_after": "where the flag stood then",
    "is_latched": "nobody can raise it before a person has cleared it",
    "handed_back": "jobs that went back to legacy",
    "told": "times that owners were told of a rollback",
    "forged": "notices to them with a wrong signature",
}
PIPED_WIDTH = 125
"""Of the lines where there is no terminal: no figure is cut."""


def print_played(played: Played) -> None:
    """Print all of it."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPED_WIDTH)
    summary = played.summary
    console.print(_stages(summary.stages))
    if played.course != "by_hand":
        console.print(_steps(played.steps))
        console.print(_rules(played.rules))
        kinds = ", ".join(f"{kind} {times}" for kind, times in Counter(played.told).items())
        console.print(f"Owners were told by webhook: {kinds or 'nothing'}.\n", highlight=False)
    if played.broken is not None:
        console.print(_fault(played.broken))
        console.print(f"The watch said: {played.broken.because}\n", soft_wrap=True, markup=False)
    whole = Table("what", Column("figure", justify="right"), "meaning", box=SIMPLE_HEAD)
    for name, meaning in MEANINGS.items():
        whole.add_row(name, _figure(getattr(summary, name)), meaning)
    console.print(whole)
    for stage in summary.stages:
        if not stage.holds_share:
            console.print(
                f"[yellow]{stage.stage}: its share is outside the bound, by chance once in 1,000[/]"
            )
    if played.broken is not None and played.broken.ending == played.broken.expected == "held":
        console.print(
            "Slowness keeps a share from going on, and takes nothing back: that is a person's to do."
        )
    console.print("[green]everything holds[/]" if played.good else "[red]something does not hold[/]")


def _stages(stages: Sequence[StageSummary]) -> Table:
    """A column for each stage."""
    columns = [Column(stage.stage, justify="right") for stage in stages]
    table = Table("stage by stage", *columns, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name, title in ROWS.items():
        table.add_row(title, *(_figure(getattr(stage, name)) for stage in stages))
    table.add_row("share, percent", *(_percent(stage.share) for stage in stages))
    table.add_row(" not below", *(_percent(stage.share_bound[0]) for stage in stages))
    table.add_row(" not above", *(_percent(stage.share_bound[1]) for stage in stages))
    return table


def _steps(steps: Sequence[PassedStep]) -> Table:
    """A row for each share that the watch led on from."""
    figures = ("seconds", "jobs compared", "declared", "different", "at most", "allowed", "canary jobs")
    columns = [Column(name, justify="right") for name in figures]
    table = Table("led by the watch", *columns, "evidence", box=SIMPLE_HEAD)
    for one in steps:
        table.add_row(
            f"{one.percent:g} to {one.next_percent:g} percent",
            *(f"{one.seconds:g}", f"{one.compared:,}", f"{one.declared_jobs:,}", str(one.different)),
            *(f"{one.upper_bound:.3%}", f"{one.bound:.1%}", f"{one.canary_jobs:,}", one.evidence[:12]),
        )
    return table


def _rules(rules: Sequence[Difference]) -> Table:
    """What is otherwise than by default; a rehearsal has no days."""
    table = Table("rules of this rehearsal that are not the defaults", "by default", "here", box=SIMPLE_HEAD)
    for one in rules:
        table.add_row(one.rule, one.by_default, one.here)
    return table


def _fault(broken: Broken) -> Table:
    table = Table("what", "figure", "meaning", box=SIMPLE_HEAD)
    for name, meaning in FAULTS.items():
        table.add_row(name, _figure(getattr(broken, name)), meaning)
    return table


def _figure(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
