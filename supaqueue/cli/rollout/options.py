"""What the commands of a rollout share: their options, and the two systems they work on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from supaqueue.contract import FeatureFlag, FeatureFlags, ReadFeatureFlags
from supaqueue.cutover.legacy.queue import LegacyQueue
from supaqueue.cutover.legacy_source import legacy_name, open_legacy
from supaqueue.cutover.spool import DEFAULT_FOLDER, FOLDER, Spool
from supaqueue.settings import Settings, read_variables
from supaqueue.transport import RestTransport, Transport

TaskType = Annotated[
    str | None,
    typer.Option(
        "--type", metavar="TYPE", help="Only this task type, by a row of its own; by default overall."
    ),
]
Legacy = Annotated[
    str | None,
    typer.Option(
        "--legacy", metavar="QUEUE", help="folder:PATH or MODULE:ATTRIBUTE; by default SUPAQUEUE_LEGACY."
    ),
]
Reason = Annotated[str | None, typer.Option(help="Why; kept in the history.")]
By = Annotated[str | None, typer.Option(help="Who changes it; by default user and host.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def supabase() -> Iterator[Transport]:
    """Open a transport to the queue that the environment names."""
    with RestTransport(Settings.load()) as transport:
        yield transport


@contextmanager
def legacy_queue(given: str | None) -> Iterator[LegacyQueue]:
    """Open the legacy queue, and ask it for a sign of life.

    Raises:
        ConfigurationError: none is named, or there is none under that name.
        LegacyUnavailable: it gives no answer.
    """
    legacy = open_legacy(legacy_name(given))
    try:
        legacy.broker.check_alive()
        yield legacy
    finally:
        legacy.close()


def spool_here() -> Spool | None:
    """Return the spool of this host, if it has one; none is made."""
    folder = Path(read_variables((FOLDER,)).get(FOLDER, DEFAULT_FOLDER))
    return Spool.load() if folder.is_dir() else None


def flag_of(flags: FeatureFlags, task_type: str | None) -> tuple[FeatureFlag, FeatureFlag | None]:
    """Return the row that speaks for a type, or overall, and the type's own if it has one."""
    own = flags.overall if task_type is None else flags.of(task_type)
    return own or flags.overall, own


def read_flag(transport: Transport, task_type: str | None) -> tuple[FeatureFlag, FeatureFlag | None]:
    """Read the flags, and return what `flag_of` does."""
    return flag_of(transport.send(ReadFeatureFlags()), task_type)


def progress_bar() -> Progress:
    """Return a bar on the terminal; none where nobody looks at one."""
    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


def print_json(value: Any) -> None:
    """Print one JSON object; a dataclass with its fields, percents as numbers."""
    as_plain = value if isinstance(value, dict | list) else asdict(value)
    print(json.dumps(as_plain, default=_as_json), flush=True)


def _as_json(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)
