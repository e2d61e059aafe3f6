"""What jobs of a type get unless they say otherwise."""

from __future__ import annotations

from typing import Any

from supaqueue.testing.memory.changes import begin_change, check_changed_by, check_request_id
from supaqueue.testing.memory.checks import check_call, check_rows, out_of_range, refuse_first
from supaqueue.testing.memory.refused import invalid
from supaqueue.testing.memory.tables import Row, Tables

POLICY = {
    "max_attempts": "1 to 1000",
    "retry_delay_seconds": "a number",
    "retry_factor": "a number",
    "retry_max_delay_seconds": "a number",
    "retry_jitter": "a boolean",
    "timeout_seconds": "a number",
    "deadline_seconds": "a number",
}
"""The options that a job, or else its task type, may have."""

_BUILT_IN: Row = {
    "max_attempts": 5,
    "retry_delay_seconds": 5,
    "retry_factor": 2,
    "retry_max_delay_seconds": 3600,
    "retry_jitter": True,
}
_RANGES = {
    "retry_delay_seconds": (0, 2_592_000),
    "retry_factor": (1, 100),
    "retry_max_delay_seconds": (0, 2_592_000),
    "timeout_seconds": (0.001, 2_592_000),
    "deadline_seconds": (0.001, 3_153_600_000),
}


def set_task_types_v1(
    tables: Tables, request_id: Any, task_types: Any, changed_by: Any, contract_version: Any
) -> list[Row]:
    """Declare options of task types; one that is left out falls back to the built-in one."""
    check_call(contract_version)
    check_rows("task_types[%s]", task_types, POLICY | {"task_type": "1 to 200 characters"}, ["task_type"])
    request = check_request_id(request_id)
    if len(task_types) > 1000:
        raise invalid("task_types: expected at most 1000 in one call")
    check_changed_by(changed_by)
    refuse_first("task_types", map(policy_problem, task_types))
    if begin_change(tables, request):
        for row in reversed(task_types):
            tables.task_types[row["task_type"]] = _without_none(row)
    return [{"task_type": row["task_type"], "answer": "set"} for row in task_types]


def policy_problem(row: Row) -> str | None:
    """Say what is wrong with the retries, timeout or deadline of a job or a type; None if nothing."""
    for field, (least, most) in _RANGES.items():
        if out_of_range(row, field, most, least):
            return f"{field}: expected {least} to {most}"
    return None


def policy_of(tables: Tables, row: Row) -> Row:
    """Return the options of a new job: its own, else its type's, else the built-in ones."""
    return _BUILT_IN | tables.task_types.get(row["task_type"], {}) | _without_none(row)


def _without_none(row: Row) -> Row:
    return {name: row[name] for name in POLICY if row.get(name) is not None}
