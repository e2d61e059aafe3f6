-- The last 20 leases of a task, oldest first.
create or replace function supaqueue_attempts(t job_tasks) returns jsonb
language sql stable
set search_path from current
as $$
    select coalesce(jsonb_agg(jsonb_build_object('lease_token', a.lease_token, 'attempt', a.attempt,
        'worker_id', a.worker_id, 'claimed_at', a.claimed_at, 'started_at', a.started_at, 'ended_at', a.ended_at,
        'outcome', a.outcome, 'status_after', a.status_after, 'error', a.error) order by a.lease_token), '[]')
    from (
        select * from job_task_attempts where job_id = (t).job_id and task_number = (t).task_number
        order by lease_token desc limit 20
    ) as a
$$;
