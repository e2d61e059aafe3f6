"""Writes the SQL as files for `supabase db push`, for teams that change their database only so.

What an exported file holds stands in its first comments. Those of a folder together are a ledger like the
one in the database, so that a later export adds only the difference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import cast

from supaqueue.errors import InvalidInput, MigrationError
from supaqueue.maintain.ledger import CREATE, Record, record_sql
from supaqueue.maintain.schema import RELOAD_SCHEMA_CACHE, checked_schema, quote_identifier, search_path
from supaqueue.maintain.sql_files import Kind, SqlFile, SqlFiles
from supaqueue.maintain.steps import compare, refuse_unsafe
from supaqueue.version import __version__

LOCK_TIMEOUT_SECONDS = 3

_EXPORTED = "-- supaqueue exported: "
_TIMESTAMP = "%Y%m%d%H%M%S"
_CONCURRENTLY = re.compile(r"\bconcurrently\s+", re.IGNORECASE)


def export(
    directory: Path, schema: str = "public", *, files: SqlFiles | None = None, now: datetime | None = None
) -> list[Path]:
    """Write what `directory` does not hold yet and return the new files, in order; needs no database.

    Each file is named `<UTC time>_supaqueue_<what>.sql`, later than any file that is there. Order: the
    migrations, one file with the functions, one with the grants and the reload of PostgREST's schema cache.

    Raises:
        InvalidInput: the schema's name cannot be, or the directory cannot be written.
        MigrationError: what lies there is newer than this version, or a released migration was altered.
    """
    checked_schema(schema)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        pieces = _due_pieces(directory, schema, files or SqlFiles.shipped())
        return list(_write(directory, schema, pieces, now or datetime.now(UTC)))
    except OSError as error:
        raise InvalidInput(f"cannot write to {directory}: {error.strerror}", field="directory") from error


@dataclass(frozen=True, slots=True)
class _Piece:
    """What goes into one exported file."""

    label: str
    files: list[SqlFile]


def _due_pieces(directory: Path, schema: str, files: SqlFiles) -> list[_Piece]:
    ledger = dict(_exported(directory, schema))
    steps = compare(files, ledger)
    refuse_unsafe(steps, ledger)
    if all(step.state in ("applied", "unknown") for step in steps):
        return []
    due = [step.file for step in steps if step.due and step.file is not None]
    return [_Piece(label, list(group)) for label, group in groupby(due, _label)]


def _label(file: SqlFile) -> str:
    return {"migration": Path(file.name).stem, "function": "functions", "grants": "grants"}[file.kind]


def _write(directory: Path, schema: str, pieces: Iterable[_Piece], now: datetime) -> Iterator[Path]:
    time = max([now.astimezone(UTC), *(last + timedelta(seconds=1) for last in _timestamps(directory))])
    for seconds, piece in enumerate(pieces):
        stamp = (time + timedelta(seconds=seconds)).strftime(_TIMESTAMP)
        path = directory / f"{stamp}_supaqueue_{piece.label}.sql"
        path.write_text(_text(piece, schema), encoding="utf-8")
        yield path


def _timestamps(directory: Path) -> Iterator[datetime]:
    for path in directory.glob("*.sql"):
        try:
            yield datetime.strptime(path.name.partition("_")[0], _TIMESTAMP).replace(tzinfo=UTC)
        except ValueError:
            continue


def _text(piece: _Piece, schema: str) -> str:
    limits = {
        "search_path": search_path(schema),
        "check_function_bodies": "off",
        "lock_timeout": f"'{LOCK_TIMEOUT_SECONDS}s'",
        "statement_timeout": "0",
    }
    parts = [
        *(_header(file, schema) for file in piece.files),
        "" if schema == "public" else f"create schema if not exists {quote_identifier(schema)};",
        *(f"set {name} to {value};" for name, value in limits.items()),
        CREATE,
        *(_body(file) + record_sql(file) for file in piece.files),
        RELOAD_SCHEMA_CACHE if piece.label == "grants" else "",
        *(f"reset {name};" for name in limits),
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _body(file: SqlFile) -> str:
    # `supabase db push` runs a file in one transaction, where nothing can be built concurrently.
    sql = file.sql if file.in_transaction else _CONCURRENTLY.sub("", file.sql)
    return f"-- {file.name}\n{sql.rstrip()}\n\n"


def _header(file: SqlFile, schema: str) -> str:
    facts = {"schema": schema, "name": file.name, "kind": file.kind, "checksum": file.checksum}
    return _EXPORTED + json.dumps({**facts, "sdk_version": __version__})


def _exported(directory: Path, schema: str) -> Iterator[tuple[str, Record]]:
    for path in sorted(directory.glob("*.sql")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if not line.startswith(_EXPORTED):
                break
            facts = _facts(path, line)
            if facts["schema"] == schema:
                yield (
                    facts["name"],
                    Record(cast(Kind, facts["kind"]), facts["checksum"], facts["sdk_version"]),
                )


def _facts(path: Path, line: str) -> dict[str, str]:
    try:
        facts = json.loads(line.removeprefix(_EXPORTED))
        return {key: facts[key] for key in ("schema", "name", "kind", "checksum", "sdk_version")}
    except (ValueError, KeyError, TypeError) as error:
        raise MigrationError(
            f"{path.name}: its first comments, which say what was exported, were edited. Nothing was "
            "written. Restore them from version control."
        ) from error
