"""`supaqueue worker`: run tasks with the handlers of a registry."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import closing
from importlib.metadata import EntryPoint
from typing import Annotated

import typer

from supaqueue.cli.companions import open_companions, with_companions
from supaqueue.cli.worker_queues import read_queues
from supaqueue.errors import ConfigurationError
from supaqueue.maintain.scheduler import Scheduler
from supaqueue.maintain.schedules import declare_schedules
from supaqueue.settings import DatabaseSettings, Settings
from supaqueue.telemetry.hook import Telemetry, configured_hooks
from supaqueue.telemetry.logs import configure_logging
from supaqueue.transport import open_transport
from supaqueue.worker import Registry, Worker
from supaqueue.worker.attribute import import_attribute
from supaqueue.worker.process import run_worker

app = typer.Typer(help="Run tasks with the handlers of a registry.")


@app.command()
@with_companions
def worker(
    registry: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:REGISTRY", help="Where the registry is, for example myapp.jobs:registry."
        ),
    ],
    queue: Annotated[
        list[str] | None,
        typer.Option(
            "--queue",
            help="A queue to serve, with a weight like mail=3 if it is to get more than the others; may be"
            " given several times. Else SUPAQUEUE_WORKER_QUEUES, with commas between; else default.",
        ),
    ] = None,
    concurrency: Annotated[int, typer.Option(help="Handlers that run at the same time.")] = 16,
    lease_seconds: Annotated[
        float, typer.Option(help="A worker silent for so long loses its tasks to another one.")
    ] = 30.0,
    grace_seconds: Annotated[
        float, typer.Option(help="How long handlers may go on after a signal to stop.")
    ] = 20.0,
    scheduler: Annotated[
        bool, typer.Option(help="Declare the registry's recurring jobs, and run all that there are.")
    ] = True,
    direct: Annotated[
        bool, typer.Option("--direct", help="Call Postgres at SUPABASE_DB_URL, instead of the API.")
    ] = False,
    log_format: Annotated[str, typer.Option(help="json or text.")] = "text",
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    companions: Sequence[EntryPoint] = (),
) -> None:
    """Run tasks until SIGTERM or SIGINT, then stop gracefully; a second signal leaves at once."""
    configure_logging(format=log_format, level=log_level)  # type: ignore[arg-type]
    telemetry = Telemetry(configured_hooks(os.environ))
    settings = DatabaseSettings.load() if direct else Settings.load()
    handlers = load_registry(registry)
    with closing(open_transport(settings)) as transport:
        beside = open_companions(companions, transport)
        if scheduler:
            beside.append(Scheduler(transport, telemetry=telemetry))
        running = Worker(
            handlers,
            settings,
            queues=read_queues(queue, os.environ),
            concurrency=concurrency,
            lease_seconds=lease_seconds,
            grace_seconds=grace_seconds,
            telemetry=telemetry,
            companions=beside,
        )
        if scheduler:
            declared = handlers.schedules.values()
            declare_schedules(transport, declared, max_json_bytes=settings.max_json_bytes)
        code = run_worker(running)
    sys.exit(code)


def load_registry(path: str) -> Registry:
    """Imports `module:attribute`, looking in the working directory too.

    Raises:
        ConfigurationError: saying which part of the path is wrong, and where the module failed.
    """
    found = import_attribute(path, kind="registry", example="myapp.jobs:registry")
    if not isinstance(found, Registry):
        module_name, _, attribute = path.partition(":")
        what = "has no" if found is None else "has something else called"
        raise ConfigurationError(
            f"module {module_name!r} {what} {attribute!r}; expected a supaqueue.Registry"
        )
    return found
