-- Stores those of these jobs whose ids are not here yet, each with one task, and returns the ids of those. Rows go in in id order,
-- so that two sessions with the same ids cannot deadlock.
create or replace function supaqueue_store_jobs(new_jobs jsonb, at_once timestamptz) returns uuid[]
language plpgsql
set search_path from current
as $$
#variable_conflict use_column
declare
    created uuid[];
begin
    with given as materialized (
        select distinct on (g.job_id) g.n, g.job_id, g.queue, g.task_type, g.tags,
            coalesce(g.element -> 'payload', 'null') as payload,
            sha256(convert_to((g.element - 'job_id')::text, 'UTF8')) as content_hash,
            coalesce(g.run_at, at_once + make_interval(secs => g.delay_seconds), at_once) as run_at,
            coalesce(g.max_attempts, p.max_attempts, 5) as max_attempts,
            coalesce(make_interval(secs => g.retry_delay_seconds), p.retry_delay, interval '5 s') as retry_delay,
            coalesce(g.retry_factor, p.retry_factor, 2) as retry_factor,
            coalesce(make_interval(secs => g.retry_max_delay_seconds), p.retry_max_delay, interval '1 h') as retry_max_delay,
            coalesce(g.retry_jitter, p.retry_jitter, true) as retry_jitter,
            coalesce(make_interval(secs => g.timeout_seconds), p.timeout) as timeout,
            g.deadline_at, coalesce(make_interval(secs => g.deadline_seconds), p.deadline) as deadline
        from rows from (
            jsonb_array_elements(new_jobs),
            jsonb_to_recordset(new_jobs) as (job_id uuid, queue text, task_type text, run_at timestamptz,
                delay_seconds double precision, max_attempts integer, retry_delay_seconds double precision, retry_factor real,
                retry_max_delay_seconds double precision, retry_jitter boolean, timeout_seconds double precision,
                deadline_at timestamptz, deadline_seconds double precision, tags text[])
        ) with ordinality as g (element, job_id, queue, task_type, run_at, delay_seconds, max_attempts,
            retry_delay_seconds, retry_factor, retry_max_delay_seconds, retry_jitter, timeout_seconds, deadline_at,
            deadline_seconds, tags, n)
        left join lateral (select * from job_task_types b where b.task_type = g.task_type offset 0) as p on true
        order by g.job_id, g.n
    ), stored as (
        insert into jobs (job_id, queue, task_type, bucket, tags, content_hash, created_at)
        select job_id, queue, task_type, job_bucket(job_id), coalesce(tags, '{}'), content_hash, at_once
        from given order by job_id
        on conflict do nothing
        returning job_id
    ), tasks as (
        insert into job_tasks (job_id, queue, task_type, payload, run_at, position, max_attempts, retry_delay, retry_factor,
            retry_max_delay, retry_jitter, timeout, deadline_at)
        select job_id, queue, task_type, payload, run_at,
            case when run_at <= at_once then nextval('job_task_position') end,
            max_attempts, retry_delay, retry_factor, retry_max_delay, retry_jitter, timeout,
            -- One that has passed passes now: claims look for deadlines from where the clock was at their last look.
            case when ends_at < at_once then at_once else ends_at end
        from (
            select given.*, coalesce(deadline_at, run_at + deadline) as ends_at
            from given join stored using (job_id) order by given.n
        ) as in_order
    )
    select array_agg(job_id) into created from stored;
    return created;
end $$;
