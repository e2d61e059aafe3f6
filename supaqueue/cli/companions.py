"""What a worker can run beside its tasks, by entry point: each is an option of the command, `--<its name>`.

An entry point of the group `supaqueue.worker_companions` is a function that takes the transport and returns a
`Companion`. What is not installed is no option.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Annotated, Any

import typer

from supaqueue.transport import Transport
from supaqueue.worker import Companion

GROUP = "supaqueue.worker_companions"


def with_companions(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each companion; it takes those asked for as `companions`."""
    found = sorted(entry for entry in entry_points(group=GROUP) if _is_there(entry))
    entries = {entry.name.replace("-", "_"): entry for entry in found}

    @functools.wraps(command)
    def wrapped(**given: Any) -> None:
        asked_for = [entry for name, entry in entries.items() if given.pop(name)]
        command(**given, companions=asked_for)

    own = inspect.signature(command, eval_str=True).parameters.values()
    shown = [one for one in own if one.name != "companions"] + [*map(_option, entries.values())]
    wrapped.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {one.name: one.annotation for one in shown}
    return wrapped


def open_companions(entries: Sequence[EntryPoint], transport: Transport) -> list[Companion]:
    """Make the companions of entry points."""
    return [entry.load()(transport) for entry in entries]


def _is_there(entry: EntryPoint) -> bool:
    """Whether its module is: an installation may tell of one that was deleted since."""
    try:
        return find_spec(entry.module) is not None
    except ModuleNotFoundError:
        return False


def _option(entry: EntryPoint) -> inspect.Parameter:
    shown = typer.Option(f"--{entry.name}", help=f"Also {entry.name}, in a thread of its own.")
    return inspect.Parameter(
        entry.name.replace("-", "_"),
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=False,
        annotation=Annotated[bool, shown],
    )
