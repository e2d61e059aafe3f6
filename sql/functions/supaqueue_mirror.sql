-- A job as a relay takes it to legacy: the row that enqueue_jobs_v1 takes, as it came to be, and how it ended, if it has.
create or replace function supaqueue_mirror(j jobs, t job_tasks) returns jsonb
language sql stable
set search_path from current
return jsonb_build_object('job_id', (j).job_id, 'owner', (j).owner, 'epoch', (j).epoch, 'mirror_state', (j).mirror_state,
    'job', jsonb_strip_nulls(jsonb_build_object('job_id', (j).job_id, 'queue', (t).queue, 'task_type', (t).task_type,
        'run_at', case when (t).run_at > (j).created_at then (t).run_at end, 'max_attempts', least((t).max_attempts, 1000),
        'retry_delay_seconds', extract(epoch from (t).retry_delay), 'retry_factor', (t).retry_factor,
        'retry_max_delay_seconds', extract(epoch from (t).retry_max_delay), 'retry_jitter', (t).retry_jitter,
        'timeout_seconds', extract(epoch from (t).timeout), 'deadline_at', (t).deadline_at,
        'tags', case when cardinality((j).tags) > 0 then to_jsonb((j).tags) end, 'tenant', (j).tenant))
        || jsonb_build_object('payload', (t).payload),
    'ending', case
        when (j).abandoned_at is not null or (j).status = 'mirrored' and (j).owner_ended_at is not null
            then jsonb_build_object('status', 'cancelled')
        when (j).finished_at is not null then jsonb_build_object('status', (j).status, 'result', (t).result, 'error', (t).error,
            'attempts', (t).attempts, 'ended_at', (j).finished_at) end);
