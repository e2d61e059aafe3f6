"""The entry point: finds the command, and turns what users can cause into one line and an exit code."""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from supaqueue.errors import ConfigurationError, SupaqueueError
from supaqueue.version import __version__

COMMANDS = (
    "demo",
    "dev",
    "dlq",
    "keys",
    "limits",
    "loadtest",
    "migrate",
    "parity",
    "prune",
    "queues",
    "rollout",
    "schedules",
    "stats",
    "worker",
)
"""Each is a module of this package with a typer `app`; one that is not there is no command."""

EXTRAS = {
    "cutover": ("jinja2", "scipy"),
    "demo": ("soundfile", "jwt", "psycopg"),
    "devstack": ("jwt", "psycopg"),
    "loadtest": ("hdrh", "plotext"),
}
"""The modules by which an extra is known to be there."""

NEEDS = {"demo": "demo", "dev": "devstack", "loadtest": "loadtest", "parity": "cutover"}
"""The commands that need an extra."""


class _Commands(TyperGroup):
    """Imports a command's module when the command is asked for, so that none needs another one's extra."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for name in COMMANDS if _is_there(name)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS or not _is_there(cmd_name):
            return None
        extra = NEEDS.get(cmd_name)
        if extra and any(find_spec(module) is None for module in EXTRAS[extra]):
            command_app = _needing(extra)
        else:
            command_app = importlib.import_module(f"supaqueue.cli.{cmd_name}").app
        command = typer.main.get_command(command_app)
        command.name = cmd_name
        return command


def _is_there(name: str) -> bool:
    return find_spec(f"supaqueue.cli.{name}") is not None


def _needing(extra: str) -> typer.Typer:
    install = f"pip install 'supaqueue[{extra}]'"
    app = typer.Typer(help=f"Needs: {install}")

    @app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
    def refuse() -> None:
        raise ConfigurationError(f"this command needs more packages: {install}")

    return app


app = typer.Typer(
    cls=_Commands,
    help="A job queue that lives in Supabase.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None: ...


def main() -> None:
    """Runs the command line; what this package raises on purpose becomes one sentence and exit code 1."""
    try:
        app()
    except SupaqueueError as error:
        Console(stderr=True, soft_wrap=True).print(f"supaqueue: {error}", markup=False, highlight=False)
        sys.exit(1)
