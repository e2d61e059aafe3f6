-- What this system knows of jobs, for a comparison with another one: those stored from `since` on and before `until`, oldest
-- first, by page; at most 4 MiB of payloads and results, or a single job. Each row is an array in the order of `columns`; `next_page` is null at the end.
create or replace function observe_jobs_v1(
    since text, until text, page text, page_size integer, contract_version integer
) returns json
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
    listed integer;
    fitting uuid[];
    next_page text;
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_observing(since, until, page, page_size);
    upto := until::timestamptz;
    after_time := coalesce(split_part(page, ' ', 1)::timestamptz, since::timestamptz);
    after_id := coalesce(split_part(page, ' ', 2)::uuid, '00000000-0000-0000-0000-000000000000');
    select count(*), array_agg(p.job_id order by p.n) filter (where p.n = 1 or p.bytes <= 4194304)
    into listed, fitting
    from (
        select j.job_id, j.created_at, row_number() over w as n, sum(coalesce(t.bytes, 0)) over w as bytes
        from (
            select b.created_at, b.job_id from jobs b
            where (b.created_at, b.job_id) > (after_time, after_id) and b.created_at < upto
            order by b.created_at, b.job_id limit page_size
        ) as j
        left join lateral (
            -- What is stored in little is small; to write each as text only to measure it would take longer than the rest.
            select b.payload_bytes + case when pg_column_size(b.result) > 1000 then octet_length(b.result::text) else 0 end as bytes
            from job_tasks b where b.job_id = j.job_id and b.task_number = 0 offset 0
        ) as t on true
        window w as (order by j.created_at, j.job_id)
    ) as p;
    if listed = page_size or listed > cardinality(fitting) then
        next_page := (
            select supaqueue_job_page(j.created_at, j.job_id) from jobs j where j.job_id = fitting[cardinality(fitting)]);
    end if;
    return supaqueue_observe(coalesce(fitting, '{}'), next_page);
end $$;
