"""What `supaqueue demo --cutover` prints."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

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
COLUMNS = {
    "stage": "stage",
    "percent": "%",
    "jobs": "jobs",
    "at_change": "at change",
    "owned_by_supabase": "Supabase's",
    "owned_by_legacy": "legacy's",
    "run_by_supabase": "run by S.",
    "run_by_legacy": "run by l.",
    "shadow_runs": "shadow",
    "mirrored": "mirrored",
    "relayed": "relayed",
    "handed_over": "handed over",
    "read_fallbacks": "fallbacks",
    "lost": "lost",
    "run_twice": "twice",
    "reruns": "reruns",
}


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
        self._console = Console(stderr=True, highlight=False)

    def show(self, text: str) -> None:
        self._console.print(f"{time.monotonic() - self._began:6.1f} s  {text}", markup=False)


def _print(summary: Summary) -> None:
    console = Console()
    table = Table(title="supaqueue demo --cutover: stage by stage")
    for name, title in COLUMNS.items():
        table.add_column(title, justify="left" if name == "stage" else "right")
    table.add_column("share, bound")
    for stage in summary.stages:
        table.add_row(*(_figure(getattr(stage, name)) for name in COLUMNS), _share(stage))
    console.print(table)
    whole = Table()
    for title in ("what", "figure", "meaning"):
        whole.add_column(title, justify="right" if title == "figure" else "left")
    for name, meaning in MEANINGS.items():
        whole.add_row(name, _figure(getattr(summary, name)), meaning)
    console.print(whole)
    console.print("[green]everything holds[/]" if summary.good else "[red]something does not hold[/]")


def _figure(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _share(stage: StageSummary) -> str:
    low, high = stage.share_bound
    mark = "" if stage.holds_share else " outside"
    return f"{100 * stage.share:.1f} in {100 * low:.1f}..{100 * high:.1f}{mark}"
