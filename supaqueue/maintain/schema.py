"""The name of the schema that everything is installed into, and SQL's quoting."""

from __future__ import annotations

from supaqueue.errors import InvalidInput

MAXIMUM_BYTES = 63

RELOAD_SCHEMA_CACHE = "notify pgrst, 'reload schema';"


def checked_schema(name: str) -> str:
    """Return `name` if Postgres can hold it as a schema of ours; raises `InvalidInput` otherwise."""
    if not name or "\0" in name or len(name.encode()) > MAXIMUM_BYTES:
        raise InvalidInput(f"a schema's name has 1 to {MAXIMUM_BYTES} bytes", field="schema")
    if name.startswith("pg_") or name == "information_schema":
        raise InvalidInput(f"{name!r} is reserved by Postgres; choose another name", field="schema")
    return name


def quote_identifier(name: str) -> str:
    """Return `name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Return `text` as a SQL string literal (without backslashes, which would need an `E` string)."""
    return "'" + text.replace("'", "''") + "'"


def search_path(schema: str) -> str:
    """Return the search path under which the SQL files run: ours, and temporary tables last."""
    return f"{quote_identifier(schema)}, pg_temp"
