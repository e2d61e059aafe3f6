-- Stores jobs, each with one task; what a job leaves open, its task type decides (set_task_types_v1). Repeatable: per job
-- `created`, `exists` (same id, same content) or `conflict` (same id, other content, or abandoned). Rows go in in id order, so
-- that two sessions with the same ids cannot deadlock.
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
            jsonb_array_elements(enqueue_jobs_v1.jobs),
            jsonb_to_recordset(enqueue_jobs_v1.jobs) as (job_id uuid, queue text, task_type text, run_at timestamptz,
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
