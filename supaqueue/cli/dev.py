"""`supaqueue dev`: the local stack."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from supaqueue.devstack import Stack, StackStatus

app = typer.Typer(help="A Supabase project on this machine, without Docker.", no_args_is_help=True)

Directory = Annotated[
    Path | None,
    typer.Option(help="Folder of the stack: its data, keys and logs.", show_default="./.supaqueue"),
]


@app.command()
def up(
    directory: Directory = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the API.", show_default="a free one")
    ] = None,
) -> None:
    """Start the stack, or what of it does not run, and print its .env."""
    stack = Stack(directory, port=port)
    with Console(stderr=True).status("starting Postgres, PostgREST and the gateway"):
        stack.up()
    _print_env(stack)


@app.command()
def down(
    directory: Directory = None,
    delete_data: Annotated[
        bool, typer.Option("--delete-data", help="Delete the database, the keys and the logs, too.")
    ] = False,
) -> None:
    """Stop the stack; its data stays for the next start."""
    stack = Stack(directory)
    if delete_data:
        stack.remove()
    else:
        stack.down()


@app.command()
def status(
    directory: Directory = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what runs; the exit code is 0 if all of it does, else 1."""
    current = Stack(directory).status()
    if as_json:
        typer.echo(json.dumps(_without_password(current)))
    else:
        _print_table(current)
    raise typer.Exit(0 if current.running else 1)


@app.command()
def env(directory: Directory = None) -> None:
    """Print the addresses and keys of the stack, ready for a file: supaqueue dev env > .env."""
    _print_env(Stack(directory))


def _print_env(stack: Stack) -> None:
    for name, value in stack.env().items():
        typer.echo(f"{name}={value}")


def _without_password(current: StackStatus) -> dict[str, object]:
    return {name: value for name, value in asdict(current).items() if name != "database_url"}


def _print_table(current: StackStatus) -> None:
    table = Table("program", "state", "pid", "port")
    for process in current.processes:
        state = "running" if process.alive else "stopped"
        table.add_row(process.name, state, str(process.pid or ""), str(process.port or ""))
    console = Console()
    console.print(table)
    console.print(f"API: {current.url}" if current.running else "start it with: supaqueue dev up")
