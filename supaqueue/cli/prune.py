"""`supaqueue prune`: remove what ended long ago, or archive it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from supaqueue.contract import RetentionPolicy
from supaqueue.errors import ConfigurationError
from supaqueue.maintain.retention import Removal, Retention

app = typer.Typer(help="Remove jobs that ended long ago, or archive them first.")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LONGEST_SECONDS = 36_525 * 86400


def _age(help: str) -> Any:
    return typer.Option(metavar="AGE", show_default="kept", help=help)


@app.command()
def prune(
    completed: Annotated[str | None, _age("Age of completed jobs, as 90s, 30m, 12h, 7d or 4w.")] = None,
    failed: Annotated[str | None, _age("Age of failed jobs, the dead letters.")] = None,
    cancelled: Annotated[str | None, _age("Age of cancelled jobs.")] = None,
    tombstones: Annotated[str | None, _age("Age of ids abandoned before any enqueue; at least 7d.")] = None,
    probes: Annotated[str | None, _age("Age of jobs that were only probes or shadow runs.")] = None,
    queue: Annotated[str | None, typer.Option("--queue", help="Only this queue.")] = None,
    task_type: Annotated[str | None, typer.Option("--task-type", help="Only this type.")] = None,
    archive: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the jobs to DIR/jobs-YYYYMMDD/ before they are deleted."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; change nothing.")] = False,
    share: Annotated[float, typer.Option(help="Part of the time to work in; it rests between.")] = 0.2,
    max_batch: Annotated[int, typer.Option(help="The most jobs in one batch.")] = 1000,
    watch: Annotated[
        str | None, typer.Option(metavar="PAUSE", help="Go on for good, with such a pause between passes.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per pass.")] = False,
) -> None:
    """Remove jobs by status and age. What has no age given is kept. Safe to interrupt and to run again."""
    policy = RetentionPolicy(
        completed=_length(completed, "--completed"),
        failed=_length(failed, "--failed"),
        cancelled=_length(cancelled, "--cancelled"),
        tombstones=_length(tombstones, "--tombstones"),
        probes=_length(probes, "--probes"),
        queue=queue,
        task_type=task_type,
    )
    pause = _length(watch, "--watch")
    with Retention(policy, archive=archive, share=share, max_batch=max_batch) as retention:
        make_pass = retention.count if dry_run else retention.run
        while True:
            began = time.monotonic()
            with _progress(shown=not as_json) as report:
                removal = make_pass(report)
            _print(removal, time.monotonic() - began, dry_run=dry_run, as_json=as_json)
            if pause is None:
                return
            time.sleep(pause.total_seconds())


def _length(text: str | None, option: str) -> timedelta | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,12})([smhdw])", text.strip())
    seconds = int(found[1]) * _UNITS[found[2]] if found else None
    if seconds is None or seconds > _LONGEST_SECONDS:
        raise ConfigurationError(
            f"{option}: write a number and a unit, 100 years at most: 90s, 30m, 12h, 7d or 4w"
        )
    return timedelta(seconds=seconds)


@contextmanager
def _progress(*, shown: bool) -> Iterator[Callable[[Removal], None]]:
    columns = (SpinnerColumn(), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not shown, transient=True) as progress:
        task = progress.add_task("looking", total=None)

        def report(removal: Removal) -> None:
            text = f"{removal.removed.total():,} of {removal.looked_at:,} jobs looked at"
            progress.update(task, description=text)

        yield report


def _print(removal: Removal, seconds: float, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        answer = {"would_remove" if dry_run else "removed": dict(removal.removed)}
        figures = {"looked_at": removal.looked_at, "changed_meanwhile": removal.kept}
        print(json.dumps(answer | figures | {"seconds": round(seconds, 1)}), flush=True)
        return
    table = Table("jobs", "would go" if dry_run else "removed")
    for kind, jobs in sorted(removal.removed.items()):
        table.add_row(kind, f"{jobs:,}")
    console = Console()
    console.print(table)
    changed = f"; {removal.kept:,} changed meanwhile and stay" if removal.kept else ""
    console.print(f"looked at {removal.looked_at:,} jobs in {seconds:.1f} s{changed}")
