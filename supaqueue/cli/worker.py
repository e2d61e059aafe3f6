"""`supaqueue worker`: run tasks with the handlers of a registry."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from supaqueue.errors import ConfigurationError
from supaqueue.maintain.scheduler import Scheduler
from supaqueue.maintain.schedules import declare_schedules
from supaqueue.settings import Settings
from supaqueue.telemetry.hook import Telemetry, configured_hooks
from supaqueue.telemetry.logs import configure_logging
from supaqueue.telemetry.redaction import redact
from supaqueue.transport import RestTransport
from supaqueue.worker import Registry, Worker
from supaqueue.worker.process import run_worker

app = typer.Typer(help="Run tasks with the handlers of a registry.")


@app.command()
def worker(
    registry: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:REGISTRY", help="Where the registry is, for example myapp.jobs:registry."
        ),
    ],
    queue: Annotated[
        list[str], typer.Option("--queue", help="A queue to serve; may be given several times.")
    ] = [  # noqa: B006
        "default"
    ],
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
    log_format: Annotated[str, typer.Option(help="json or text.")] = "text",
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Run tasks until SIGTERM or SIGINT, then stop gracefully; a second signal leaves at once."""
    configure_logging(format=log_format, level=log_level)  # type: ignore[arg-type]
    telemetry = Telemetry(configured_hooks(os.environ))
    settings = Settings.load()
    handlers = load_registry(registry)
    with RestTransport(settings) as transport:
        running = Worker(
            handlers,
            settings,
            queues=queue,
            concurrency=concurrency,
            lease_seconds=lease_seconds,
            grace_seconds=grace_seconds,
            telemetry=telemetry,
            companions=[Scheduler(transport, telemetry=telemetry)] if scheduler else [],
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
    module_name, separator, attribute = path.partition(":")
    if not separator or not module_name or not attribute:
        raise ConfigurationError(
            f"{path!r} names no registry: write MODULE:REGISTRY, for example myapp.jobs:registry"
        )
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # a script without a main guard may exit
        raise ConfigurationError(f"module {module_name!r} cannot be imported: {_where(error)}") from error
    found = getattr(module, attribute, None)
    if not isinstance(found, Registry):
        what = "has no" if found is None else "has something else called"
        raise ConfigurationError(
            f"module {module_name!r} {what} {attribute!r}; expected a supaqueue.Registry"
        )
    return found


def _where(error: BaseException) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = (
        ""
        if frame is None or "importlib" in frame.tb_frame.f_code.co_filename
        else (f" ({frame.tb_frame.f_code.co_filename}:{frame.tb_lineno})")
    )
    lines = redact(str(error)).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}{place}"
