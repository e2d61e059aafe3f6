"""The flag of a cutover, changed as an operator would with plain UPDATEs."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

Connection = psycopg.Connection[Any]

OVERALL = "supabase_queue"


def flag_name(task_type: str | None) -> str:
    return OVERALL if task_type is None else f"{OVERALL}:{task_type}"


def set_flag(connection: Connection, task_type: str | None = None, **columns: Any) -> None:
    """UPDATE one row; what is not named stays. Raises `psycopg.Error`."""
    columns = {"updated_by": "test"} | columns
    names = [sql.SQL("{} = {}").format(sql.Identifier(n), sql.Placeholder(n)) for n in columns]
    query = sql.SQL("update feature_flag set {} where flag_name = {}").format(
        sql.SQL(", ").join(names), sql.Literal(flag_name(task_type))
    )
    assert connection.execute(query, columns).rowcount == 1


def emergency(connection: Connection) -> None:
    """Make the UPDATE of the runbook."""
    connection.execute("update feature_flag set is_enabled = false, rollout_percent = 0, updated_by = 'ada'")


def begin(connection: Connection, stage: str = "mirror", **columns: Any) -> None:
    """Begin a cutover on a fresh database and go to a stage; `columns` are set with the last step."""
    set_flag(connection, stage="off", is_enabled=False, rollout_percent=0)
    if stage != "off":
        set_flag(connection, stage="mirror")
    last = {
        "off": {},
        "mirror": {},
        "shadow": {"stage": "shadow", "shadow_percent": 100},
        "canary": {"is_enabled": True, "rollout_percent": 10},
        "live": {"is_enabled": True, "rollout_percent": 100},
    }[stage]
    if last | columns:
        set_flag(connection, **last | columns)


def read_flag(connection: Connection, task_type: str | None = None) -> dict[str, Any]:
    """The row as it stands."""
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        row = cursor.execute(
            "select * from feature_flag where flag_name = %s", [flag_name(task_type)]
        ).fetchone()
    assert row is not None
    return dict(row)
