"""`supaqueue schedules`: recurring jobs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from supaqueue.cli.until_told import UntilTold
from supaqueue.contract import NewSchedule, ScheduleAnswer
from supaqueue.cron import Cron
from supaqueue.errors import InvalidInput
from supaqueue.maintain.scheduler import Scheduler
from supaqueue.maintain.schedules import (
    declare_schedules,
    list_schedules,
    remove_schedule,
    switch_schedule,
)
from supaqueue.schedule import Schedule
from supaqueue.settings import Settings
from supaqueue.telemetry.hook import Telemetry, configured_hooks
from supaqueue.telemetry.logs import configure_logging
from supaqueue.transport import RestTransport

app = typer.Typer(help="Recurring jobs: list, set, remove, enable, disable; the next ticks; run a scheduler.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="What the schedule is known by.")]
Expression = Annotated[
    str, typer.Argument(metavar="CRON", help="Minute, hour, day, month, weekday, for example '0 7 * * 1-5'.")
]
Zone = Annotated[str, typer.Option("--time-zone", help="Whose clock it is, for example Europe/Berlin.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command("list")
def show(
    with_payload: Annotated[bool, typer.Option("--with-payload", help="With --json: payloads too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List all schedules, with their next tick."""
    if with_payload and not as_json:
        raise typer.BadParameter("goes with --json", param_hint="--with-payload")
    with RestTransport(Settings.load()) as transport:
        found = list_schedules(transport, with_payload=with_payload)
    rows = [(schedule, _next_tick(schedule, found.now)) for schedule in found.schedules]
    if as_json:
        _print_json(
            {"now": found.now, "schedules": [asdict(one) | {"next_tick": tick} for one, tick in rows]}
        )
        return
    table = Table("schedule", "cron", "time zone", "queue", "task type", "missed", "next tick")
    for schedule, tick in rows:
        cells = (schedule.schedule_name, schedule.cron, schedule.time_zone, schedule.job["queue"])
        table.add_row(
            *map(escape, (*cells, schedule.job["task_type"], schedule.missed)), _when(schedule, tick)
        )
    Console().print(table)


@app.command("set")
def declare(
    name: Name,
    cron: Expression,
    task_type: Annotated[str, typer.Option(help="Which handler runs it.")],
    payload: Annotated[str, typer.Option(help="As JSON.")] = "null",
    queue: Annotated[str, typer.Option(help="Where the jobs wait.")] = "default",
    time_zone: Zone = "UTC",
    missed: Annotated[
        str, typer.Option(help="Of ticks that no scheduler was there for: skip, last or all.")
    ] = "last",
    missed_limit: Annotated[int, typer.Option(help="The most ticks that 'all' makes up for.")] = 100,
    max_attempts: Annotated[int | None, typer.Option(help="Attempts that a job has.")] = None,
    backoff: Annotated[float | None, typer.Option(help="Seconds between attempts.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds that one attempt may take.")] = None,
    deadline: Annotated[
        float | None, typer.Option(help="Seconds after its tick in which a job may run.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Of each job; may be given several times.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Declare a schedule, or change it. Whether it is enabled is kept."""
    settings = Settings.load()
    schedule = NewSchedule(
        name,
        cron,
        task_type=task_type,
        payload=_read_json(payload),
        queue=queue,
        time_zone=time_zone,
        missed=missed,  # type: ignore[arg-type]  # checked there
        missed_limit=missed_limit,
        max_attempts=max_attempts,
        backoff=backoff,
        timeout=timeout,
        deadline=deadline,
        tags=tag or (),
    )
    with RestTransport(settings) as transport:
        [answer] = declare_schedules(transport, [schedule], max_json_bytes=settings.max_json_bytes)
    _print_answer(answer, as_json=as_json)


@app.command()
def remove(name: Name, as_json: AsJson = False) -> None:
    """Remove a schedule; its jobs stay. If code declares it, that brings it back: disable it instead."""
    with RestTransport(Settings.load()) as transport:
        _print_answer(remove_schedule(transport, name), as_json=as_json)


@app.command()
def enable(name: Name, as_json: AsJson = False) -> None:
    """Let a schedule tick again, from now on."""
    _switch(name, is_enabled=True, as_json=as_json)


@app.command()
def disable(name: Name, as_json: AsJson = False) -> None:
    """Let a schedule tick no more, also if code declares it again."""
    _switch(name, is_enabled=False, as_json=as_json)


@app.command("next")
def next_ticks(
    cron: Expression,
    time_zone: Zone = "UTC",
    count: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Show the next ticks of a cron expression, by this machine's clock. Needs no database."""
    clock = Cron(cron, time_zone)
    ticks = [tick.astimezone(ZoneInfo(time_zone)) for tick in islice(clock.after(datetime.now(UTC)), count)]
    if as_json:
        _print_json({"cron": clock.expression, "time_zone": time_zone, "ticks": ticks})
        return
    for tick in ticks:
        typer.echo(f"{tick:%a %Y-%m-%d %H:%M %Z} = {tick.astimezone(UTC):%Y-%m-%d %H:%M} UTC")


@app.command()
def run(
    log_format: Annotated[str, typer.Option(help="json or text.")] = "text",
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Run a scheduler until SIGTERM or SIGINT. Workers run one too; any number may run."""
    configure_logging(format=log_format, level=log_level)  # type: ignore[arg-type]
    telemetry = Telemetry(configured_hooks(os.environ))
    with RestTransport(Settings.load()) as transport:
        list_schedules(transport)  # says at once what is wrong with address, key or database
        with UntilTold() as told, Scheduler(transport, telemetry=telemetry):
            told.wait()
    telemetry.close()


def _switch(name: str, *, is_enabled: bool, as_json: bool) -> None:
    with RestTransport(Settings.load()) as transport:
        _print_answer(switch_schedule(transport, name, is_enabled=is_enabled), as_json=as_json)


def _print_answer(answer: ScheduleAnswer, *, as_json: bool) -> None:
    if answer.answer == "unknown":
        raise InvalidInput("there is no such schedule; see 'supaqueue schedules list'", field="schedule_name")
    if as_json:
        _print_json(asdict(answer))
    else:
        typer.echo(f"{answer.schedule_name}: {answer.answer}")


def _next_tick(schedule: Schedule, now: datetime) -> datetime | None:
    try:
        return next(schedule.clock.after(now), None) if schedule.is_enabled else None
    except InvalidInput:
        return None


def _when(schedule: Schedule, tick: datetime | None) -> str:
    if tick is None:
        return "[red]not readable here[/]" if schedule.is_enabled else "[yellow]disabled[/]"
    return f"{tick.astimezone(ZoneInfo(schedule.time_zone)):%Y-%m-%d %H:%M %Z}"


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise InvalidInput(
            "must be JSON, for example '{\"days\": 7}' or '\"text\"'", field="payload"
        ) from None


def _print_json(value: Mapping[str, object]) -> None:
    typer.echo(json.dumps(value, default=_as_text))


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
