"""What `supaqueue demo --cutover` prints."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from supaqueue.cli.demo.cutover.legacy import check_kind
from supaqueue.cli.demo.cutover.run import run_cutover
from supaqueue.cli.demo.cutover.summary import StageSummary, Summary, summarise
from supaqueue.cli.demo.cutover.witness import read_witness
from supaqueue.cli.demo.files import input_files

JOBS_PER_STAGE = {"folder": 300}
FEWER_JOBS_PER_STAGE = 150
"""Where a worker runs fewer jobs a second."""

MEANINGS = {
    "jobs": "accepted, in all stages",
    "lost": "accepted, and no system recorded an end, or no handler was seen to finish",
    "run_twice": "began in both systems, or ended in both",
    "reruns": "further starts in the same system, after a kill",
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
PIPED_WIDTH = 110
"""Of the lines where there is no terminal: no figure is cut."""


def demonstrate(input_folder: Path | None, folder: Path, legacy: str, *, as_json: bool, keep: bool) -> int:
    """Runs the cutover in a folder, prints what came of it, and returns the exit code.

    Raises:
        ConfigurationError: there is no such legacy queue, or its packages are missing.
        InvalidInput: there is no input.
    """
    check_kind(legacy)
    files = input_files(input_folder)
    jobs = JOBS_PER_STAGE.get(legacy, FEWER_JOBS_PER_STAGE)
    progress = _Progress()
    cutover, records, seconds = run_cutover(files, folder, legacy, jobs, progress.show, keep=keep)
    tellings = cutover.tellings
    summary = summarise(
        cutover.stages, tellings.accepted, tellings.told, read_witness(folder), records, seconds
    )
    if as_json:
        print(json.dumps(asdict(summary)))
    else:
        _print(summary)
    return 0 if summary.good else 1


class _Progress:
    """Lines on standard error, each with the seconds since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    def show(self, text: str) -> None:
        self._console.print(f"{time.monotonic() - self._began:6.1f} s  {text}", markup=False)


def _print(summary: Summary) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPED_WIDTH)
    console.print(_stages(summary.stages))
    whole = Table("what", Column("figure", justify="right"), "meaning", box=SIMPLE_HEAD)
    for name, meaning in MEANINGS.items():
        whole.add_row(name, _figure(getattr(summary, name)), meaning)
    console.print(whole)
    for stage in summary.stages:
        if not stage.holds_share:
            console.print(
                f"[yellow]{stage.stage}: its share is outside the bound, by chance once in 1,000[/]"
            )
    console.print("[green]everything holds[/]" if summary.good else "[red]something does not hold[/]")


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


def _figure(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
