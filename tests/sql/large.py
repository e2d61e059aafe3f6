"""A queue with a long past, made by SQL in seconds."""

from __future__ import annotations

from typing import Any

import psycopg

_LOAD = """
set session_replication_role = replica;
create unlogged table loaded as
    select n, n <= {finished} as finished,
        format('%s-0000-7000-8000-00000000%s', lpad(to_hex(n), 8, '0'), lpad(to_hex(n % 10000), 4, '0'))::uuid
            as job_id
    from generate_series(1, {finished} + {waiting}) as n;
insert into jobs (job_id, queue, task_type, bucket, content_hash, status, unfinished_tasks, finished_at)
    select job_id, '{queue}', 'count', n % 10000, '\\x00',
        case when finished then 'completed' else 'pending' end,
        case when finished then 0 else 1 end, case when finished then now() end
    from loaded;
insert into job_tasks (job_id, queue, task_type, payload, status, attempts, lease_token, finished_at,
        position)
    select job_id, '{queue}', 'count', '{{}}', case when finished then 'completed' else 'pending' end,
        finished::integer, finished::integer, case when finished then now() end,
        case when not finished then nextval('job_task_position') end
    from loaded order by n;
insert into job_task_attempts (job_id, task_number, lease_token, attempt, worker_id, ended_at, outcome,
        status_after)
    select job_id, 0, 1, 1, 'w', now(), 'done', 'completed' from loaded where finished;
insert into job_claims (request_id, worker_id, claimed_at)
    select gen_random_uuid(), 'w', now() - n * interval '10 milliseconds'
    from generate_series(1, 100000) as n;
drop table loaded;
reset session_replication_role;
"""


def fill(superuser: psycopg.Connection[Any], queue: str, *, finished: int, waiting: int) -> None:
    """Add so many finished and waiting jobs of type `count`; what is stored passes every check."""
    text = _LOAD.format(queue=queue, finished=finished, waiting=waiting)
    superuser.execute(text.encode())
