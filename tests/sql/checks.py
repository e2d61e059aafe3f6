"""The shipped checks, run as a test's last word on the state that it left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

CHECKS = Path(__file__).parents[2] / "sql" / "checks"


def failed_checks(connection: psycopg.Connection[Any]) -> list[str]:
    """Return what `verify_jobs.sql` finds broken."""
    rows = connection.execute((CHECKS / "verify_jobs.sql").read_bytes()).fetchall()
    assert rows
    return [
        f"{check}: {broken}, e.g. {example}" for verdict, check, broken, example in rows if verdict != "PASS"
    ]


def resync(connection: psycopg.Connection[Any]) -> int:
    """Run `resync_job_counters.sql` and return how many jobs it says it mended."""
    notices: list[str] = []

    def keep(notice: psycopg.errors.Diagnostic) -> None:
        notices.append(notice.message_primary or "")

    connection.add_notice_handler(keep)
    connection.execute((CHECKS / "resync_job_counters.sql").read_bytes())
    connection.remove_notice_handler(keep)
    return int(notices[0].removeprefix("jobs mended: "))
