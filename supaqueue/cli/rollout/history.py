"""`supaqueue rollout history`: who changed a flag, when, from what to what, why, and on what evidence."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from supaqueue.cli.rollout.options import AsJson, TaskType, print_json, supabase
from supaqueue.cli.rollout.steps import say_steps
from supaqueue.contract import Json, ListFlagChanges, LoggedFlagChange, ReadRolloutEvidence
from supaqueue.errors import InvalidInput
from supaqueue.transport import Transport

PAGE = 100
BESIDE = frozenset(("version", "updated_by", "updated_at", "reason", "evidence", "flag_name", "task_type"))
"""Columns that change with every change, or never."""


def history(
    task_type: TaskType = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    steps: Annotated[
        bool, typer.Option("--steps", help="What each share had to prove, and how that was decided.")
    ] = False,
    evidence: Annotated[
        str | None,
        typer.Option(metavar="HASH", help="Print what was kept under this hash."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the changes of the flags, the latest first, whichever way they were made.

    With --steps it lists the steps; with --evidence it prints what a decision or a rollback rests on, as
    JSON of which `sha256sum` gives the hash.
    """
    if steps and evidence:
        raise InvalidInput("one of them at a time", field="--steps, --evidence")
    with supabase() as transport:
        if evidence:
            sys.stdout.write(_kept(transport, evidence))
            return
        if steps:
            say_steps(transport, task_type, limit, as_json=as_json)
            return
        found = (change for change in _changes(transport) if task_type in (None, _type_of(change)))
        changes = list(islice(found, limit))
    if as_json:
        print_json([asdict(change) for change in changes])
    else:
        _print(changes)


def what_changed(change: LoggedFlagChange) -> dict[str, tuple[Json, Json]]:
    """Return the columns that a change was about, each with its value before and after."""
    before = change.before if isinstance(change.before, dict) else {}
    after = change.after if isinstance(change.after, dict) else {}
    return {
        name: (before.get(name), after.get(name))
        for name in (after or before)
        if name not in BESIDE and before.get(name) != after.get(name)
    }


def _kept(transport: Transport, evidence: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", evidence):
        raise InvalidInput("must be a SHA-256, as --steps or the history shows it", field="--evidence")
    content = transport.send(ReadRolloutEvidence(evidence))
    if content is None:
        raise InvalidInput("nothing was kept under this hash", field="--evidence")
    return content


def _changes(transport: Transport) -> Iterator[LoggedFlagChange]:
    page = transport.send(ListFlagChanges(page_size=PAGE))
    while page:
        yield from page
        page = transport.send(ListFlagChanges(before_id=page[-1].change_id, page_size=PAGE))


def _type_of(change: LoggedFlagChange) -> str | None:
    return change.flag_name.partition(":")[2] or None


def _print(changes: list[LoggedFlagChange]) -> None:
    table = Table("version", "when", "flag", "by", "changed", "why")
    for change in changes:
        why = "; ".join(text for text in (change.reason, change.evidence) if text)
        by = change.changed_by or f"{change.session_by} (by SQL)"
        when = f"{change.changed_at.astimezone():%Y-%m-%d %H:%M:%S}"
        cells = (str(change.version), when, _type_of(change) or "overall", by, _described(change), why)
        table.add_row(*map(escape, cells))
    Console().print(table)


def _described(change: LoggedFlagChange) -> str:
    if change.after is None:
        return "deleted"
    changed = what_changed(change).items()
    if change.before is None:
        return "its own row from now on"
    return ", ".join(f"{name} {before} to {after}" for name, (before, after) in changed) or "nothing"
