-- Stores jobs, each with one task. Repeatable: per job `created`, `exists` (same id, same content) or `conflict` (same id,
-- other content, or abandoned). Rows go in in id order, so that two sessions with the same ids cannot deadlock.
create or replace function enqueue_jobs_v1(jobs jsonb, contract_version integer) returns jsonb
language plpgsql security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    at_once timestamptz;
    created uuid[];
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_new_jobs(enqueue_jobs_v1.jobs);
    -- The transaction has its number before it draws a position or looks at the clock: claims rely on that order.
    perform pg_current_xact_id();
    at_once := clock_timestamp();

    with given as materialized (
        select distinct on (g.job_id) g.n, g.job_id, g.queue, g.task_type, g.max_attempts, g.retry_delay_seconds, g.tags,
            coalesce(g.element -> 'payload', 'null') as payload,
            sha256(convert_to((g.element - 'job_id')::text, 'UTF8')) as content_hash,
            coalesce(g.run_at, at_once + make_interval(secs => g.delay_seconds), at_once) as run_at
        from rows from (
            jsonb_array_elements(enqueue_jobs_v1.jobs),
            jsonb_to_recordset(enqueue_jobs_v1.jobs) as (job_id uuid, queue text, task_type text, run_at timestamptz,
                delay_seconds double precision, max_attempts integer, retry_delay_seconds double precision, tags text[])
        ) with ordinality as g (element, job_id, queue, task_type, run_at, delay_seconds, max_attempts,
            retry_delay_seconds, tags, n)
        order by g.job_id, g.n
    ), stored as (
        insert into jobs (job_id, queue, task_type, bucket, tags, content_hash, created_at)
        select job_id, queue, task_type, job_bucket(job_id), coalesce(tags, '{}'), content_hash, at_once
        from given order by job_id
        on conflict do nothing
        returning job_id
    ), tasks as (
        insert into job_tasks (job_id, queue, task_type, payload, run_at, position, max_attempts, retry_delay)
        select job_id, queue, task_type, payload, run_at,
            case when run_at <= at_once then nextval('job_task_position') end,
            coalesce(max_attempts, 5), make_interval(secs => coalesce(retry_delay_seconds, 5))
        from (select given.* from given join stored using (job_id) order by given.n) as in_order
    )
    select array_agg(job_id) into created from stored;

    return (
        select coalesce(jsonb_agg(jsonb_build_object('job_id', g.job_id, 'answer', case
                when c.job_id is not null and g.first then 'created'
                when j.abandoned_at is null and j.content_hash = g.content_hash then 'exists'
                else 'conflict' end) order by g.n), '[]')
        from (
            select (element ->> 'job_id')::uuid as job_id, n,
                sha256(convert_to((element - 'job_id')::text, 'UTF8')) as content_hash,
                row_number() over (partition by (element ->> 'job_id')::uuid order by n) = 1 as first
            from jsonb_array_elements(enqueue_jobs_v1.jobs) with ordinality as e (element, n)
        ) as g
        left join unnest(created) as c (job_id) using (job_id)
        -- "offset 0" keeps this a look-up per row: no plan may read the whole index instead.
        cross join lateral (select * from jobs where job_id = g.job_id offset 0) as j
    );
end $$;
