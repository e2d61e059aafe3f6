"""Finished and waiting jobs, made by SQL in seconds."""

from __future__ import annotations

from typing import Any

import psycopg

QUEUE = "drain"
DAYS_AGO = 2
"""When the finished ones ended."""

_FINISHED = """
insert into jobs (job_id, queue, task_type, bucket, content_hash, status, unfinished_tasks, created_at,
        finished_at)
    select job_id, 'past', 'count', n % 10000, sha256(''), 'completed', 0, at, at
    from {rows};
insert into job_tasks (job_id, queue, task_type, payload, status, attempts, lease_token, run_at, finished_at)
    select job_id, 'past', 'count', '{{}}', 'completed', 1, 1, at, at from {rows};
insert into job_task_attempts (job_id, task_number, lease_token, attempt, worker_id, ended_at, outcome,
        status_after)
    select job_id, 0, 1, 1, 'w', at, 'done', 'completed' from {rows}
"""

_WAITING = """
insert into jobs (job_id, queue, task_type, bucket, content_hash)
    select job_id, '{queue}', 'count', n % 10000, sha256('') from {rows};
insert into job_tasks (job_id, queue, task_type, payload, position)
    select job_id, '{queue}', 'count', '{{}}', nextval('job_task_position') from {rows} order by n
"""

_ROWS = """(
    select n, format('%s-%s-7000-8000-00000000%s', lpad(to_hex(n), 8, '0'), '{part}',
        lpad(to_hex(n % 10000), 4, '0'))::uuid as job_id,
        now() - interval '{days} days' + n * interval '1 microsecond' as at
    from generate_series({first}, {last}) as n
) as rows"""


def fill_finished(superuser: psycopg.Connection[Any], count: int) -> None:
    """Add so many completed jobs that ended two days ago, with their tasks and attempts."""
    _fill(superuser, _FINISHED, "0000", 1, count)


def fill_waiting(superuser: psycopg.Connection[Any], first: int, count: int) -> None:
    """Add so many jobs that wait, the first of them with this number."""
    _fill(superuser, _WAITING, "0001", first, first + count - 1)


def _fill(superuser: psycopg.Connection[Any], statements: str, part: str, first: int, last: int) -> None:
    rows = _ROWS.format(part=part, first=first, last=last, days=DAYS_AGO)
    with superuser.transaction():
        superuser.execute("set local session_replication_role = replica")
        for statement in statements.split(";\n"):
            superuser.execute(statement.format(rows=rows, queue=QUEUE).encode())
