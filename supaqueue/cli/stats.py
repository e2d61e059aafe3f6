"""`supaqueue stats`: how much of what, and what nobody serves."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from supaqueue.client import Queue
from supaqueue.contract import Stats

app = typer.Typer(help="Count tasks by queue, type and status; name what waits and nobody serves.")


@app.command()
def stats(
    queue: Annotated[
        list[str] | None, typer.Option("--queue", help="Only this queue; may be given several times.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Count tasks, list the workers seen lately, and warn of task types that wait and that nobody serves."""
    with Queue() as client:
        found = client.stats(queue)
    if as_json:
        print(json.dumps(asdict(found), default=str))
    else:
        _print(found)


def _print(found: Stats) -> None:
    console = Console()
    counted = Table("queue", "task type", "status", "tasks", "oldest waits")
    for row in found.counts:
        waits = "" if row.oldest_waiting_seconds is None else f"{row.oldest_waiting_seconds:.0f} s"
        counted.add_row(*_escaped(row.queue, row.task_type, row.status, row.tasks, waits))
    console.print(counted)
    workers = Table("worker", "queues", "task types", "slots", "last seen")
    for worker in found.workers:
        serves = (", ".join(worker.queues), ", ".join(worker.task_types))
        workers.add_row(
            *_escaped(worker.worker_id, *serves, worker.concurrency, f"{worker.last_seen_at:%H:%M:%S}")
        )
    console.print(workers)
    for waiting in found.unserved:
        what = f"{waiting.tasks} tasks of type {waiting.task_type} wait in queue {waiting.queue}"
        console.print(f"[yellow]{escape(what)}, and no worker serves them[/]")


def _escaped(*cells: object) -> Iterable[str]:
    return (escape(str(cell)) for cell in cells)
