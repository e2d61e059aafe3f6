"""The shipped checks, run as a test's last word on the state that it left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

CHECKS = Path(__file__).parents[2] / "sql" / "checks"


def failed_checks(connection: psycopg.Connection[Any]) -> list[str]:
    """Return what `verify_jobs.sql` and `verify_order_keys.sql` find broken."""
    found = []
    has_keys = connection.execute(
        "select exists (select from job_tasks"
        " where order_key is not null or key_position is not null or blocks_key)"
    ).fetchone()
    for name in ("verify_jobs", "verify_order_keys") if has_keys == (True,) else ("verify_jobs",):
        rows = connection.execute((CHECKS / f"{name}.sql").read_bytes()).fetchall()
        assert rows
        found += [
            f"{check}: {broken}, e.g. {example}"
            for verdict, check, broken, example in rows
            if verdict != "PASS"
        ]
    return found


def resync(connection: psycopg.Connection[Any], name: str = "resync_job_counters") -> int:
    """Run a check that mends and return how many jobs or rows it says it mended."""
    notices: list[str] = []

    def keep(notice: psycopg.errors.Diagnostic) -> None:
        notices.append(notice.message_primary or "")

    connection.add_notice_handler(keep)
    connection.execute((CHECKS / f"{name}.sql").read_bytes())
    connection.remove_notice_handler(keep)
    return int(notices[0].rpartition("mended: ")[2])
