-- How many of these jobs would come to wait in a queue now: those that are not here, do not wait for their time, and would not meet a
-- key that is held.
create or replace function supaqueue_incoming(new_jobs jsonb, queue_name text) returns integer
language sql stable
set search_path from current
as $$
    select count(distinct g.job_id)::integer
    from jsonb_to_recordset(new_jobs) as g (job_id uuid, queue text, task_type text, run_at timestamptz, delay_seconds double precision,
        owner text, unique_key text)
    where g.queue = queue_name and coalesce(g.run_at, '-infinity') <= clock_timestamp() and coalesce(g.delay_seconds, 0) = 0
        and g.owner is distinct from 'legacy'
        and not exists (select from jobs j where j.job_id = g.job_id offset 0)
        and (g.unique_key is null or not exists (
            select from job_unique_keys k where k.task_type = g.task_type and k.unique_key = g.unique_key
                and (k.expires_at > clock_timestamp()) is not false offset 0))
$$;
