"""`supaqueue migrate`: the SQL in the database, and as files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from typer.core import TyperGroup

from supaqueue.settings import DatabaseSettings, load_schema

if TYPE_CHECKING:
    from supaqueue.maintain.migrate import Migrator
    from supaqueue.maintain.steps import Step

STATE_STYLES = {
    "applied": "green",
    "pending": "yellow",
    "changed": "yellow",
    "altered": "red",
    "unknown": "red",
}

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url", help="Postgres connection string; by default SUPABASE_DB_URL, also from .env."
    ),
]
Schema = Annotated[
    str | None,
    typer.Option(
        help="Where the tables and functions live; by default SUPAQUEUE_SCHEMA, also from .env, else public."
    ),
]
LockTimeout = Annotated[float, typer.Option(help="Seconds to wait for a lock before trying again.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


class _ApplyByDefault(TyperGroup):
    """Plain `migrate`, with or without options, means `migrate apply`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        wants_group = bool(args) and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if wants_group else ["apply", *args])


app = typer.Typer(
    cls=_ApplyByDefault,
    help="Bring the SQL in the database up to this version (`apply` by default).",
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def apply(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")
    ] = False,
    show_sql: Annotated[bool, typer.Option("--show-sql", help="With --dry-run: print the SQL too.")] = False,
    schema: Schema = None,
    database_url: DatabaseUrl = None,
    lock_timeout: LockTimeout = 3.0,
    as_json: Json = False,
) -> None:
    """Apply what is due, each migration in a transaction of its own, and set all grants again."""
    if show_sql and not dry_run:
        raise typer.BadParameter("goes with --dry-run", param_hint="--show-sql")
    migrator = _migrator(database_url, schema, lock_timeout)
    steps = migrator.plan() if dry_run else migrator.apply()
    if as_json:
        _print_json(
            {"schema": migrator.schema, "would_apply" if dry_run else "applied": _rows(steps, sql=show_sql)}
        )
    else:
        _print_applied(steps, migrator.schema, dry_run=dry_run, show_sql=show_sql)


@app.command()
def status(schema: Schema = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Show where every SQL file stands."""
    migrator = _migrator(database_url, schema)
    steps = migrator.status()
    if as_json:
        _print_json({"schema": migrator.schema, "steps": _rows(steps)})
    else:
        Console().print(_table(steps, f'SQL in schema "{migrator.schema}"'))


@app.command()
def export(
    directory: Annotated[Path, typer.Argument(help="For example supabase/migrations.")],
    schema: Schema = None,
    as_json: Json = False,
) -> None:
    """Write files for `supabase db push`; again after an upgrade, for what is new. Needs no database."""
    from supaqueue.maintain.export import export as export_files

    where = load_schema(schema=schema)
    paths = export_files(directory, where)
    if as_json:
        _print_json({"schema": where, "files": [str(path) for path in paths]})
        return
    for path in paths:
        typer.echo(f"wrote {path}")
    typer.echo("Next: supabase db push" if paths else f"{directory} is up to date.")
    if paths:
        _remind_to_expose(Console(), where)


def _migrator(database_url: str | None, schema: str | None, lock_timeout: float = 3.0) -> Migrator:
    from supaqueue.maintain.migrate import Migrator

    settings = DatabaseSettings.load(url=database_url, schema=schema)
    return Migrator(settings.url, settings.schema, lock_timeout=lock_timeout)


def _print_applied(steps: list[Step], schema: str, *, dry_run: bool, show_sql: bool) -> None:
    console = Console()
    console.print(_table(steps, f'{"Would apply" if dry_run else "Applied"} in schema "{schema}"'))
    if show_sql:
        for step in steps:
            assert step.file is not None
            typer.echo(f"-- {step.name}\n{step.file.sql}")
    if not dry_run:
        _remind_to_expose(console, schema)


def _remind_to_expose(console: Console, schema: str) -> None:
    if schema != "public":
        console.print(
            f'Expose "{escape(schema)}" to the API: Supabase dashboard, Settings, API, Exposed schemas '
            "(PostgREST: db-schemas)."
        )


def _table(steps: Iterable[Step], title: str) -> Table:
    table = Table("file", "kind", "state", title=escape(title), title_justify="left")
    for (name, kind, state), count in Counter(map(_row, steps)).items():
        files = f"{name} ({count})" if name == "functions" else name
        table.add_row(escape(files), kind, f"[{STATE_STYLES[state]}]{state}[/]")
    return table


def _row(step: Step) -> tuple[str, str, str]:
    # There are dozens of functions: one line for those that stand alike.
    return ("functions" if step.kind == "function" else step.name), step.kind, step.state


def _rows(steps: Iterable[Step], *, sql: bool = False) -> list[dict[str, str]]:
    return [
        {"name": step.name, "kind": step.kind, "state": step.state}
        | ({"sql": step.file.sql} if sql and step.file else {})
        for step in steps
    ]


def _print_json(value: Mapping[str, object]) -> None:
    typer.echo(json.dumps(value))
