-- Tasks of one job as readers see them, in order, shadows left out; all, or those with these numbers. Payloads (with checkpoints) and
-- attempts only if asked for.
create or replace function supaqueue_job_tasks(
    given_id uuid, numbers smallint[], with_payload boolean, with_attempts boolean
) returns jsonb
language sql stable
set search_path from current
as $$
    select coalesce(jsonb_agg(jsonb_build_object('task_number', t.task_number, 'task_type', t.task_type, 'status', t.status,
            'result', t.result, 'error', t.error, 'attempts', t.attempts, 'max_attempts', t.max_attempts,
            'lost_leases', t.lost_leases, 'run_at', t.run_at,
            'timeout_seconds', extract(epoch from t.timeout), 'deadline_at', t.deadline_at, 'parked', t.parked,
            'progress_percent', t.progress_percent, 'progress_message', t.progress_message, 'worker_id', t.worker_id,
            'last_heartbeat', t.last_heartbeat, 'started_at', t.started_at, 'finished_at', t.finished_at)
            || case when t.task_name is not null then jsonb_build_object('name', t.task_name, 'waits_for', t.waits_for,
                'skipped', t.skipped, 'is_last', t.runs_before is null) else '{}' end
            || case when with_payload then jsonb_build_object('payload', t.payload, 'checkpoint', t.checkpoint) else '{}' end
            || case when with_attempts then jsonb_build_object('history', supaqueue_attempts(t)) else '{}' end
            order by t.task_number), '[]')
    from job_tasks t
    where t.job_id = given_id and t.purpose <> 'shadow' and (numbers is null or t.task_number = any (numbers))
$$;
