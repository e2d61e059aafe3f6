"""`supaqueue limits`: how many tasks may run at once, or begin in a window."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from supaqueue.cli.durations import seconds_of
from supaqueue.cli.queues import AsJson, By, whoever
from supaqueue.client import Queue
from supaqueue.running_limit import RunningLimit, RunningLimitUse

app = typer.Typer(help="Limit how many tasks run at once, or begin in a window.", no_args_is_help=True)

OfQueue = Annotated[str | None, typer.Option("--queue", metavar="QUEUE", help="Of this queue.")]
OfType = Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Of this task type.")]
EachTenant = Annotated[bool, typer.Option("--each-tenant", help="Each tenant may have as many.")]


@app.command("set")
def set_limit(
    queue: OfQueue = None,
    task_type: OfType = None,
    each_tenant: EachTenant = False,
    running: Annotated[int | None, typer.Option(metavar="N", help="At most N run at once.")] = None,
    starts: Annotated[
        int | None, typer.Option(metavar="N", help="At most N begin in a window, as long as --per says.")
    ] = None,
    per: Annotated[
        float | None, typer.Option(parser=seconds_of, metavar="DURATION", help="Like 10s or 1h.")
    ] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Limit a queue, a task type, both, or each tenant of those. Replaces the limit of the same ones."""
    limit = RunningLimit(queue, task_type, each_tenant, running, starts, per)
    with Queue() as client:
        [answer] = client.limits.set(limit, by=by or whoever())
    if as_json:
        print(json.dumps(asdict(answer)))
    else:
        print(f"{_what(answer)}: {_how_many(answer)}")


@app.command()
def remove(
    queue: OfQueue = None,
    task_type: OfType = None,
    each_tenant: EachTenant = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Remove the limit of exactly this queue, type and --each-tenant."""
    limit = RunningLimit(queue, task_type, each_tenant)
    with Queue() as client:
        client.limits.remove(queue, task_type, each_tenant=each_tenant, by=by or whoever())
    print(json.dumps(asdict(limit)) if as_json else f"{_what(limit)}: any number may run")


@app.command("list")
def list_limits(as_json: AsJson = False) -> None:
    """List the limits, each with what runs under it now."""
    with Queue() as client:
        uses = client.limits.list()
    if as_json:
        print(json.dumps([_row(use) for use in uses]))
        return
    table = Table("limit", "allows", "run now", "begun in the window", "by")
    for use in uses:
        cells = [_what(use.limit), _how_many(use.limit), use.running, use.starts, use.limit.changed_by or ""]
        table.add_row(*(escape(str(cell)) for cell in cells))
    Console().print(table)


def _row(use: RunningLimitUse) -> dict[str, Any]:
    return asdict(use.limit) | {"running": use.running, "starts": use.starts}


def _what(limit: RunningLimit) -> str:
    parts = [f"type {limit.task_type}"] if limit.task_type is not None else []
    parts += [f"queue {limit.queue}"] if limit.queue is not None else []
    return " in ".join(parts) + (", each tenant" if limit.each_tenant else "")


def _how_many(limit: RunningLimit) -> str:
    parts = [] if limit.running_limit is None else [f"at most {limit.running_limit:,} at once"]
    if limit.starts_limit is not None:
        parts.append(f"at most {limit.starts_limit:,} begun in {limit.starts_seconds:g} s")
    return ", ".join(parts)
