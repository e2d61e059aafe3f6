"""What a queue has come to, in a form that two runs of the same story share: names and times left out."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

State = dict[str, list[dict[str, Any]]]

_TABLES = {
    "jobs": "select * from jobs where job_id = any (%(jobs)s) order by array_position(%(jobs)s, job_id)",
    "job_tasks": "select * from job_tasks where job_id = any (%(jobs)s)"
    " order by array_position(%(jobs)s, job_id), task_number",
    "job_task_attempts": "select * from job_task_attempts where job_id = any (%(jobs)s)"
    " order by array_position(%(jobs)s, job_id), task_number, lease_token",
    "job_claims": "select worker_id, count(*) as claims from job_claims"
    " where worker_id = any (%(workers)s) group by worker_id order by worker_id",
    "job_archives": "select file, jobs, removed, kept::text[] from job_archives"
    " where file = any (%(workers)s) order by file",
    "job_schedules": "select * from job_schedules where schedule_name = any (%(names)s)"
    " order by array_position(%(names)s, schedule_name)",
    "job_probes": "select p.queue, p.found, t.task_type, t.purpose, t.status, j.status as job_status"
    " from job_probes p join jobs j using (job_id) join job_tasks t using (job_id)"
    " where p.queue = any (%(names)s) order by p.queue",
    "job_workers": "select * from job_workers where worker_id = any (%(workers)s) order by worker_id",
    "job_queues": "select queue, isfinite(paused_until) as is_bounded, paused_by, reason from job_queues"
    " where queue = any (%(names)s) order by queue",
    "job_waiting_limits": "select queue, waiting_limit, on_full, changed_by from job_waiting_limits"
    " where queue = any (%(names)s) order by queue",
    "job_running_limits": "select queue, task_type, running_limit, starts_limit, starts_seconds, changed_by"
    " from job_running_limits where queue = any (%(names)s) order by queue",
    "job_order_key_signals": "select order_key from job_order_key_signals where queue = any (%(names)s)"
    " order by position",
    "job_task_types": "select * from job_task_types where task_type = any (%(names)s) order by task_type",
    "feature_flag": "select * from feature_flag where flag_name = any (%(names)s)",
    "feature_flag_changes": "select flag_name, changed_by, reason, evidence from feature_flag_changes"
    " where flag_name = any (%(names)s) order by change_id",
    "job_repairs": "select * from job_repairs where job_id = any (%(jobs)s)"
    " order by array_position(%(jobs)s, job_id)",
    "rollout_steps": "select number, percent, next_percent, declared_jobs, verdict, evidence, decided_at"
    " from rollout_steps where flag_name = any (%(names)s) order by step_id",
    "rollout_evidence": "select hash, kept_at from rollout_evidence where hash = any (%(names)s)",
    "rollout_notices": "select attempts, told_at, due_at, problem from rollout_notices"
    " join feature_flag_changes using (change_id) where flag_name = any (%(names)s) order by change_id",
    "job_leases": "select * from job_leases where lease_name = any (%(names)s)",
    "job_changes": "select function, change, changed_by from job_changes where changed_by = any (%(names)s)"
    " order by changed_at",
}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_SET_OR_NOT = frozenset({"content_hash", "bucket", "claim_request", "version"})

_LEFT_OUT = frozenset({"marks", "version", "next", "step_id", "flag_version"})


def read_state(
    connection: psycopg.Connection[Any], job_ids: Collection[str], names: Mapping[str, str]
) -> State:
    """All rows of these jobs and of the workers among `names`, which says what to call each id and name."""
    given = {"jobs": [UUID(job_id) for job_id in job_ids], "workers": list(names), "names": list(names)}
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = {table: cursor.execute(query, given).fetchall() for table, query in _TABLES.items()}
    for column in ("position", "key_position"):
        drawn = sorted(row[column] for row in rows["job_tasks"] if row[column] is not None)
        for row in rows["job_tasks"]:
            row[column] = row[column] and drawn.index(row[column])
    return {table: [_row(row, names) for row in found] for table, found in rows.items()}


def without_names(value: Any, names: Mapping[str, str]) -> Any:
    """A reply or a value of a row, with ids and names replaced, and times, marks and versions left out."""
    if is_dataclass(value) and not isinstance(value, type):
        return without_names(asdict(value), names)
    if isinstance(value, Mapping):
        return {key: without_names(part, names) for key, part in value.items() if key not in _LEFT_OUT}
    if isinstance(value, list | tuple):
        return [without_names(part, names) for part in value]
    if isinstance(value, float | datetime):
        return "time"
    if isinstance(value, Decimal):
        return str(value)
    return names.get(value, _MOMENT.sub("moment", value)) if isinstance(value, str) else value


def _row(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {column: _cell(column, value, names) for column, value in row.items()}


def _cell(column: str, value: Any, names: Mapping[str, str]) -> Any:
    if value is None or isinstance(value, int):
        return value if column not in _SET_OR_NOT else value is not None
    if isinstance(value, datetime) or column in _SET_OR_NOT:
        return "set"
    if isinstance(value, dict | list):
        return without_names(json.loads(json.dumps(value)), names)
    return names.get(str(value), value)
