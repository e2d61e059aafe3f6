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
    answers jsonb;
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_new_jobs(enqueue_jobs_v1.jobs);
    -- The transaction has its number before it draws a position or looks at the clock: claims rely on that order.
    perform pg_current_xact_id();
    at_once := clock_timestamp();

    loop
        created := created || supaqueue_store_jobs(enqueue_jobs_v1.jobs, at_once);
        answers := (
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
        -- One that was here when the insert met it may have been pruned before the look-up: then it is new.
        exit when jsonb_array_length(answers) = jsonb_array_length(enqueue_jobs_v1.jobs);
    end loop;
    return answers;
end $$;
