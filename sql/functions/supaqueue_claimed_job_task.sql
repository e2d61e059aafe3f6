-- What a worker is told of a task that it holds.
create or replace function supaqueue_claimed_job_task(t job_tasks) returns jsonb
language sql volatile
set search_path from current
as $$
    select jsonb_build_object('job_id', (t).job_id, 'task_number', (t).task_number, 'queue', (t).queue,
        'task_type', (t).task_type, 'payload', (t).payload, 'lease_token', (t).lease_token,
        'attempt', (t).attempts + 1, 'max_attempts', (t).max_attempts,
        'waited_seconds', extract(epoch from (t).claimed_at - (t).run_at),
        'timeout_seconds', extract(epoch from (t).timeout),
        'deadline_in_seconds', extract(epoch from (t).deadline_at - clock_timestamp()),
        'checkpoint', (t).checkpoint, 'purpose', (t).purpose)
        || case when (t).task_name is not null then jsonb_build_object('task_name', (t).task_name,
            'results_before', coalesce(cardinality((t).runs_after), 0)) else '{}' end
$$;
