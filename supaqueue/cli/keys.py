"""`supaqueue keys`: order keys that a failed task blocks; letting them go on."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from supaqueue.answer import BlockedKey
from supaqueue.cli.queues import AsJson, By, whoever
from supaqueue.client import Queue

app = typer.Typer(help="List order keys that a failed task blocks; release them.", no_args_is_help=True)

COUNTED = 1000
"""How far those that wait behind a task are counted."""


@app.command("list")
def list_keys(
    queue: Annotated[str | None, typer.Option(help="Only keys of this queue.")] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the order keys that a failed task blocks, and how many tasks wait behind it."""
    with Queue() as client:
        keys = list(client.blocked_keys.list(queue, limit=limit))
    if as_json:
        print(json.dumps([asdict(key) for key in keys], default=str))
    else:
        _print(keys)


@app.command()
def release(
    keys: Annotated[list[str], typer.Argument(metavar="KEY...", help="One or several order keys.")],
    queue: Annotated[str, typer.Option(help="The queue that they are of.")],
    reason: Annotated[str | None, typer.Option(help="For those who look.")] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Let order keys go on past the failed task that blocks each, which stays a dead letter."""
    with Queue() as client:
        answers = client.blocked_keys.release(
            ((queue, key) for key in keys), reason=reason, by=by or whoever()
        )
    if as_json:
        print(json.dumps([asdict(answer) for answer in answers]))
        return
    for answer in answers:
        past = f" past job {answer.job_id}" if answer.job_id else ""
        print(f"{answer.order_key}: {answer.answer.replace('_', ' ')}{past}")


def _print(keys: list[BlockedKey]) -> None:
    table = Table("queue", "key", "job", "type", "failed", "error", "waiting")
    for key in keys:
        waiting = f"{key.waiting:,}" + (" or more" if key.waiting >= COUNTED else "")
        failed_at = f"{key.failed_at.astimezone():%Y-%m-%d %H:%M:%S}"
        cells = [
            key.queue,
            key.order_key,
            key.job_id,
            key.task_type,
            failed_at,
            key.error_type or "",
            waiting,
        ]
        table.add_row(*map(escape, cells))
    Console().print(table)
