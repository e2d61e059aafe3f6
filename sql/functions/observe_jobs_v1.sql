-- What this system knows of jobs, for a comparison with another one: those stored from `since` on and before `until`, oldest
-- first, by page; at most 4 MiB of payloads. Each row is an array in the order of `columns`; `next_page` is null at the end.
create or replace function observe_jobs_v1(
    since text, until text, page text, page_size integer, contract_version integer
) returns jsonb
language plpgsql stable security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
    after_time timestamptz;
    after_id uuid;
    upto timestamptz;
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_observing(since, until, page, page_size);
    upto := until::timestamptz;
    after_time := coalesce(split_part(page, ' ', 1)::timestamptz, since::timestamptz);
    after_id := coalesce(split_part(page, ' ', 2)::uuid, '00000000-0000-0000-0000-000000000000');
    return (
        with listed as (
            select j.job, j.created_at, j.job_id, t.task, s.shadow, row_number() over w as n, sum(t.payload_bytes) over w as bytes
            from (
                select b as job, b.created_at, b.job_id from jobs b
                where (b.created_at, b.job_id) > (after_time, after_id) and b.created_at < upto
                order by b.created_at, b.job_id limit page_size
            ) as j
            left join lateral (
                select b as task, b.payload_bytes from job_tasks b where b.job_id = j.job_id and b.task_number = 0 offset 0
            ) as t on true
            left join lateral (
                select b as shadow from job_tasks b
                where b.job_id = j.job_id and b.task_number = 1 and b.purpose = 'shadow' offset 0
            ) as s on true
            window w as (order by j.created_at, j.job_id)
        ), fitting as (
            select * from listed where n = 1 or bytes <= 4194304
        )
        select supaqueue_observed(coalesce(jsonb_agg(supaqueue_observation(job, task, shadow) order by n), '[]'))
            || jsonb_build_object('next_page', case when count(*) = page_size or count(*) < (select count(*) from listed)
                then (array_agg(supaqueue_job_page(created_at, job_id) order by n desc))[1] end)
        from fitting
    );
end $$;
