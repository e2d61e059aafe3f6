"""`supaqueue queues`: what each queue holds; pausing, resuming and limiting them."""

from __future__ import annotations

import getpass
import json
import socket
from collections import defaultdict
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from supaqueue.answer import QueuePause
from supaqueue.cli.durations import moment_of, seconds_of
from supaqueue.client import Queue
from supaqueue.contract import Stats

app = typer.Typer(help="Say what each queue holds; pause, resume and limit queues.", no_args_is_help=True)

Names = Annotated[list[str], typer.Argument(metavar="QUEUE...", help="One or several queues.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
By = Annotated[str | None, typer.Option(help="Who changes it; by default user and host.")]

COLUMNS = ("pending", "claimed", "processing", "completed", "failed", "cancelled")


@app.command("list")
def list_queues(as_json: AsJson = False) -> None:
    """List the queues that hold tasks or are paused."""
    with Queue() as client:
        rows = queue_rows(client.stats())
    if as_json:
        print(json.dumps(rows, default=str))
    else:
        _print(rows)


@app.command()
def pause(
    queues: Names,
    duration: Annotated[
        float | None, typer.Option("--for", parser=seconds_of, metavar="DURATION", help="Like 30m or 2h.")
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(parser=moment_of, metavar="TIME", help="Like 2030-01-31T12:00, in this machine's zone."),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="For those who look.")] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Pause queues: nothing is claimed from them; what runs goes on. By default until they are resumed."""
    with Queue() as client:
        answers = client.pause(queues, duration=duration, until=until, reason=reason, by=by or whoever())
    _say(answers, as_json)


@app.command()
def resume(queues: Names, by: By = None, as_json: AsJson = False) -> None:
    """Resume queues."""
    with Queue() as client:
        answers = client.resume(queues, by=by or whoever())
    _say(answers, as_json)


@app.command("limit-waiting")
def limit_waiting(
    queue: Annotated[str, typer.Argument(metavar="QUEUE")],
    limit: Annotated[int | None, typer.Argument(metavar="N", min=1, max=1_000_000)] = None,
    refuse: Annotated[bool, typer.Option("--refuse", help="What is over it is refused.")] = False,
    slow: Annotated[bool, typer.Option("--slow", help="It is stored, and its producer slowed down.")] = False,
    none: Annotated[bool, typer.Option("--none", help="Let any number wait.")] = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Limit how many jobs may wait in a queue; say what becomes of what is over it."""
    if none == (limit is not None) or (refuse + slow) != (limit is not None):
        raise typer.BadParameter("give N with either --refuse or --slow, or --none alone", param_hint="N")
    on_full: Literal["refuse", "slow"] | None = "refuse" if refuse else "slow" if slow else None
    with Queue() as client:
        [answer] = client.limit_waiting(queue, limit, on_full=on_full, by=by or whoever())
    if as_json:
        print(json.dumps([asdict(answer)]))
    elif answer.waiting_limit is None:
        print(f"{answer.queue}: any number may wait")
    else:
        print(f"{answer.queue}: at most {answer.waiting_limit:,} wait, then {answer.on_full}")


def whoever() -> str:
    """The user of this process and its host, for records of who changed something."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"[:200]


def queue_rows(stats: Stats) -> list[dict[str, Any]]:
    """One row for each queue: tasks by status, seconds that the oldest one waits, and its pause, if any."""
    rows: dict[str, dict[str, Any]] = defaultdict(
        lambda: dict.fromkeys(COLUMNS, 0) | {"oldest_waiting_seconds": None, "pause": None}
    )
    for count in stats.counts:
        row = rows[count.queue]
        row[count.status] = row.get(count.status, 0) + count.tasks
        waits = [row["oldest_waiting_seconds"], count.oldest_waiting_seconds]
        row["oldest_waiting_seconds"] = max((one for one in waits if one is not None), default=None)
    for paused in stats.paused:
        rows[paused.queue]["pause"] = asdict(paused)
    return [{"queue": name} | row for name, row in sorted(rows.items())]


def _print(rows: list[dict[str, Any]]) -> None:
    table = Table("queue", *COLUMNS, "oldest waits", "paused")
    for row in rows:
        waits = row["oldest_waiting_seconds"]
        paused = QueuePause(**row["pause"]) if row["pause"] else None
        cells = [row["queue"], *(row[name] for name in COLUMNS)]
        cells += ["" if waits is None else f"{waits:.0f} s", _pause_text(paused) if paused else ""]
        table.add_row(*(escape(str(cell)) for cell in cells))
    Console().print(table)


def _say(answers: list[QueuePause], as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(answer) for answer in answers], default=str))
        return
    for answer in answers:
        state = f"paused {_pause_text(answer)}" if answer.paused else "open"
        print(f"{answer.queue}: {state}")


def _pause_text(pause: QueuePause) -> str:
    until = "until it is resumed"
    if pause.paused_until is not None:
        until = f"until {pause.paused_until.astimezone():%Y-%m-%d %H:%M:%S %Z}"
    by = f" by {pause.paused_by}" if pause.paused_by else ""
    return until + by + (f": {pause.reason}" if pause.reason else "")
