"""The command: options in, progress bar and table or JSON out."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from supaqueue.cli.demo.files import input_files
from supaqueue.cli.demo.run import run_demo
from supaqueue.errors import ConfigurationError, InvalidInput

app = typer.Typer(help="Process real files with workers, kill one on the way, and check every result.")

MEANINGS = {
    "jobs": "one per input file",
    "completed": "ended with a result",
    "failed": "ended without one",
    "lost": "input files for which no job ended",
    "wrong": "results that differ from those computed directly",
    "finished_twice": "tasks ended for good by more than one attempt",
    "rescued": "taken over from the killed worker, then completed",
    "seconds": "from the start of Postgres to the last comparison",
}


@app.command()
def demo(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--input",
            help="A folder with text and .wav files.",
            show_default="the .py files of this Python's standard library",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on standard output.")
    ] = False,
    keep: Annotated[
        Path | None, typer.Option(help="Keep the database and the logs in this folder, for a look.")
    ] = None,
    cutover: Annotated[
        bool, typer.Option("--cutover", help="Leave a legacy queue, with both at work, in minutes.")
    ] = False,
    legacy: Annotated[
        str | None,
        typer.Option(
            metavar="QUEUE",
            help="With --cutover: the queue that is left: folder, rq, celery or bullmq.",
            show_default="folder",
        ),
    ] = None,
    by_hand: Annotated[
        bool, typer.Option("--by-hand", help="With --cutover: no gate and no watch, in a minute or two.")
    ] = False,
    inject: Annotated[
        str | None,
        typer.Option(metavar="FAULT", help="With --cutover: break the new side: errors, latency or backlog."),
    ] = None,
    inject_at: Annotated[
        int | None,
        typer.Option(metavar="PERCENT", help="At which share: 10, 50 or 100.", show_default="10"),
    ] = None,
) -> None:
    """Process real files with two worker processes, kill one of them, and check every result.

    The exit code is 0 only if every job is completed with the right result, none twice, and what the killed
    worker held was rescued.

    With --cutover: a legacy queue is left for Supabase, led from share to share by `supaqueue rollout watch`,
    while producers enqueue and workers of both run, one of each killed. The exit code is 0 only if one system
    ran each job, to the right end. With --inject the new side breaks, and the watch must do what it has to.
    """
    given = {"--legacy": legacy, "--by-hand": by_hand or None, "--inject": inject, "--inject-at": inject_at}
    if cutover:
        options = _Cutover(legacy or "folder", by_hand, inject, inject_at)
        raise typer.Exit(_cut_over(folder, keep, options, as_json=as_json))
    if stray := [name for name, value in given.items() if value is not None]:
        raise InvalidInput("is part of --cutover: add that, or leave this out", field=", ".join(stray))
    files = input_files(folder)
    with _directory(keep) as directory, _bar() as bar:
        task = bar.add_task("", total=len(files))
        summary = run_demo(
            files,
            directory,
            lambda text, done, total: bar.update(task, description=text, completed=done, total=total),
            keep=keep is not None,
        )
    figures = asdict(summary)
    problems = figures.pop("problems")
    for line in problems[:20]:
        print(line, file=sys.stderr)
    if as_json:
        print(json.dumps(figures))
    else:
        _print(figures, summary.good)
    raise typer.Exit(0 if summary.good else 1)


@dataclass(frozen=True)
class _Cutover:
    """What only a cutover has."""

    legacy: str
    by_hand: bool
    inject: str | None
    inject_at: int | None


def _cut_over(folder: Path | None, keep: Path | None, options: _Cutover, *, as_json: bool) -> int:
    # Its own package, which may be deleted once a cutover is over: no checker may look for it either.
    if find_spec("supaqueue.cutover") is None or find_spec("supaqueue.cli.demo.cutover") is None:
        raise ConfigurationError("--cutover needs the package supaqueue.cutover, which was removed here")
    demonstrate = import_module("supaqueue.cli.demo.cutover.command").demonstrate
    with _directory(keep) as directory:
        return int(demonstrate(folder, directory, **asdict(options), as_json=as_json, keep=keep is not None))


@contextmanager
def _directory(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    directory = Path(tempfile.mkdtemp(prefix="supaqueue-demo-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


def _print(figures: dict[str, object], good: bool) -> None:
    table = Table(title="supaqueue demo")
    table.add_column("what")
    table.add_column("figure", justify="right")
    table.add_column("meaning", style="dim")
    for name, figure in figures.items():
        table.add_row(name, str(figure), MEANINGS[name])
    console = Console()
    console.print(table)
    console.print("[green]everything holds[/]" if good else "[red]something does not hold: see above[/]")
