-- A job as readers see it, with its tasks; payloads (with checkpoints) and attempts only if asked for. Its epoch is told if a cutover
-- has touched it, and how legacy ended it once that is known.
create or replace function supaqueue_job(j jobs, with_payload boolean, with_attempts boolean) returns jsonb
language sql stable
set search_path from current
as $$
    select jsonb_build_object('job_id', (j).job_id, 'queue', (j).queue, 'task_type', (j).task_type, 'status', (j).status,
        'owner', (j).owner, 'tags', (j).tags, 'created_at', (j).created_at, 'finished_at', (j).finished_at,
        'cancel_requested', (j).cancel_requested_at is not null, 'tasks', coalesce((
            select jsonb_agg(jsonb_build_object('task_number', t.task_number, 'task_type', t.task_type, 'status', t.status,
                'result', t.result, 'error', t.error, 'attempts', t.attempts, 'max_attempts', t.max_attempts,
                'lost_leases', t.lost_leases, 'run_at', t.run_at,
                'timeout_seconds', extract(epoch from t.timeout), 'deadline_at', t.deadline_at, 'parked', t.parked,
                'progress_percent', t.progress_percent, 'progress_message', t.progress_message, 'worker_id', t.worker_id,
                'last_heartbeat', t.last_heartbeat, 'started_at', t.started_at, 'finished_at', t.finished_at)
                || case when with_payload then jsonb_build_object('payload', t.payload, 'checkpoint', t.checkpoint) else '{}' end
                || case when with_attempts then jsonb_build_object('history', supaqueue_attempts(t)) else '{}' end
                order by t.task_number)
            from job_tasks t where t.job_id = (j).job_id and t.purpose <> 'shadow'), '[]'))
        || case when (j).owner = 'legacy' or (j).epoch > 0 then jsonb_build_object('epoch', (j).epoch) else '{}' end
        || case when (j).owner_outcome is not null then jsonb_build_object('owner_outcome',
            (j).owner_outcome || jsonb_build_object('ended_at', coalesce(
                ((j).owner_outcome ->> 'ended_at')::timestamptz, (j).owner_ended_at))) else '{}' end
$$;
