"""Jobs of two days, made by SQL in a minute: a tenth is Supabase's, some fail, some are retried."""

from __future__ import annotations

from typing import Any

import psycopg

TYPES = 5
PERCENT = 10
HOURS = 48

_FILL = """
set session_replication_role = replica;
create unlogged table filled as
    select n, {job_id}::uuid as job_id, 'type ' || n % {types} as task_type,
        'tenant ' || n * 31 % 997 as tenant, n * 7919 / 13 % 100 < {percent} as is_canary,
        n * 7 % 100 = 0 as fails, 1 + (n * 11 % 50 = 0)::integer as attempts,
        now() - interval '{hours} hours' + n * (interval '{hours} hours' / {jobs}) as at,
        interval '1 ms' * (20 + n * 37 % 2000) as took
    from generate_series(1::bigint, {jobs}) as n;
alter table filled add column status text generated always as
    (case when fails then 'failed' else 'completed' end) stored;
insert into jobs (job_id, queue, task_type, status, owner, bucket, content_hash, tenant, unfinished_tasks,
        created_at, finished_at, owner_outcome, owner_ended_at, legacy_first_failed_at)
    select job_id, 'q', task_type, case when is_canary then status else 'mirrored' end,
        case when is_canary then 'supabase' else 'legacy' end, n % 10000, sha256(''), tenant, 0, at,
        case when is_canary then at + took end,
        case when not is_canary then jsonb_build_object('status', status, 'attempts', attempts,
            'result', jsonb_build_object('sent', n), 'starts', attempts, 'ended_at', at + took) end,
        case when not is_canary then at + took + interval '1 s' end,
        case when not is_canary and attempts > 1 then at + interval '1 s' end
    from filled order by n;
insert into job_tasks (job_id, queue, task_type, status, payload, tenant, run_at, attempts, lease_token,
        finished_at)
    select job_id, 'q', task_type, case when is_canary then status else 'mirrored' end,
        jsonb_build_object('n', n, 'text', repeat('x', 180)), tenant, at,
        case when is_canary then attempts else 0 end, case when is_canary then attempts else 0 end,
        case when is_canary then at + took end
    from filled order by n;
insert into job_task_attempts (job_id, task_number, lease_token, attempt, worker_id, started_at, ended_at,
        outcome, status_after)
    select job_id, 0, 1, 1, 'w', at, at + interval '1 s', 'retry', 'pending'
        from filled where is_canary and attempts = 2
    union all
    select job_id, 0, attempts, attempts, 'w', at, at + took, case when fails then 'fail' else 'done' end,
        status from filled where is_canary;
drop table filled;
reset session_replication_role;
analyze jobs, job_tasks, job_task_attempts
"""

_JOB_ID = (
    "(lpad(to_hex(n), 12, '0') || '-7000-8000-00000000' || lpad(to_hex((n * 2654435761) % 10000), 4, '0'))"
)


def fill(superuser: psycopg.Connection[Any], jobs: int) -> None:
    """Store so many, the last one just now."""
    parts = {"jobs": jobs, "types": TYPES, "percent": PERCENT, "hours": HOURS, "job_id": _JOB_ID}
    for statement in _FILL.format(**parts).split(";\n"):
        superuser.execute(statement.encode())
