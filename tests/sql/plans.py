"""The plans of all statements inside a call, as auto_explain tells them to the session that makes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

OURS = (
    "jobs",
    "job_tasks",
    "job_task_attempts",
    "job_claims",
    "job_lines",
    "job_order_key_queues",
    "job_order_key_signals",
    "job_workers",
    "job_archives",
    "job_changes",
    "job_prunings",
    "job_repairs",
    "job_queues",
    "job_schedules",
    "job_task_types",
    "job_cohorts",
    "job_backlogs",
    "job_limit_windows",
)

_SETTINGS = {
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_format": "json",
    "client_min_messages": "log",
}


@dataclass(frozen=True)
class Scan:
    """One access to a table. `rows` are those that it read, also if a filter then dropped them."""

    node: str
    table: str
    index: str | None
    condition: str | None
    rows: float
    blocks: int

    @property
    def reads_all(self) -> bool:
        return self.node not in ("Index Scan", "Index Only Scan", "Tid Scan") or (
            self.node != "Tid Scan" and self.condition is None
        )


@contextmanager
def explained(connection: psycopg.Connection[Any]) -> Iterator[list[dict[str, Any]]]:
    """Collect the plans of what the session, a superuser's, runs inside the block."""
    plans: list[dict[str, Any]] = []

    def keep(notice: psycopg.errors.Diagnostic) -> None:
        _, found, text = (notice.message_primary or "").partition("plan:\n")
        if found:
            plans.append(json.loads(text))

    connection.execute("load 'auto_explain'")
    connection.add_notice_handler(keep)
    for name, value in _SETTINGS.items():
        connection.execute("select set_config(%s, %s, false)", [name, value])
    plans.clear()
    try:
        yield plans
    finally:
        connection.remove_notice_handler(keep)
        connection.execute("set auto_explain.log_min_duration = -1")


def scans(plans: list[dict[str, Any]]) -> list[Scan]:
    """Return every access to a table of ours."""
    return [
        Scan(
            node["Node Type"],
            node["Relation Name"],
            node.get("Index Name"),
            node.get("Index Cond"),
            (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"],
            node["Shared Hit Blocks"] + node["Shared Read Blocks"],
        )
        for plan in plans
        for node in _nodes(plan["Plan"])
        if node.get("Relation Name") in OURS and "Scan" in node["Node Type"]
    ]


def blocks(plans: list[dict[str, Any]]) -> int:
    """Return how many blocks the call read, in shared buffers or not: its own statement counts all inside."""
    outermost = plans[-1]["Plan"]
    return int(outermost["Shared Hit Blocks"] + outermost["Shared Read Blocks"])


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)
