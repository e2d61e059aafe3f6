"""What went wrong in Postgres, as a sentence with the next step; values of rows never appear in it."""

from __future__ import annotations

from collections.abc import Sequence

from supaqueue.maintain.blockers import Blocker
from supaqueue.maintain.connection import psycopg
from supaqueue.maintain.sql_files import SqlFile

# Two sessions that change one row of a catalogue, for example both creating a role, which is everybody's.
_CATALOGUE_RACES = ("tuple concurrently updated", "tuple concurrently deleted")


def is_transient(error: psycopg.Error) -> bool:
    """Whether the same transaction may succeed in a moment."""
    if isinstance(error, psycopg.errors.InternalError_):
        return error.diag.message_primary in _CATALOGUE_RACES
    if isinstance(error, psycopg.errors.UniqueViolation):
        return error.diag.schema_name == "pg_catalog"
    if isinstance(error, psycopg.errors.DuplicateObject):
        # Roles are everybody's: another session created it after this one had looked.
        return (error.diag.message_primary or "").startswith("role ")
    return isinstance(
        error,
        psycopg.errors.LockNotAvailable
        | psycopg.errors.DeadlockDetected
        | psycopg.errors.SerializationFailure,
    )


def explain(error: psycopg.Error, name: str, schema: str) -> str:
    """Return the cause of a failure at `name`, and what to do."""
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return (
            f'{name}: {error.diag.message_primary}. Connect as the role that owns the schema "{schema}" and '
            "may create roles; on Supabase that is postgres."
        )
    if error.sqlstate is None or error.sqlstate.startswith(("08", "57P")):
        return f"{name}: the connection was lost. Run supaqueue migrate again; what was committed is kept."
    return f"{name}: {_message(error)} (SQLSTATE {error.sqlstate})."


def explain_lock(name: str, blockers: Sequence[Blocker], tries: int, seconds: float) -> str:
    """Return who kept `name` from its locks, and what to do."""
    holders = " and ".join(map(str, blockers)) or "a session that is gone by now"
    return (
        f"{name} waits for a lock held by {holders}; tried {tries} times for {seconds:g} s each. "
        "End that transaction, or run supaqueue migrate again at a quieter time."
    )


def line_of(error: psycopg.Error, file: SqlFile) -> int | None:
    """Return the line of `file` at which Postgres stopped, if it says."""
    position = error.diag.statement_position
    return None if position is None else file.sql.count("\n", 0, int(position) - 1) + 1


def _message(error: psycopg.Error) -> str:
    # Class 22 quotes the offending value of a row in its message.
    quotes_values = (error.sqlstate or "").startswith("22")
    return type(error).__name__ if quotes_values else error.diag.message_primary or type(error).__name__
