-- What was found missing and brought again, of jobs that their owner accepted from `since` on and before `until`, oldest first, by
-- page; `next_page` is null at the end.
create or replace function list_repairs_v1(
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
        select jsonb_build_object(
            'repairs', coalesce(jsonb_agg(jsonb_build_object('job_id', r.job_id, 'task_type', r.task_type, 'class_name', r.class,
                'accepted_at', r.accepted_at, 'repaired_at', r.repaired_at, 'repaired_by', r.repaired_by) order by r.n), '[]'),
            'next_page', case when count(*) = page_size
                then (array_agg(supaqueue_job_page(r.accepted_at, r.job_id) order by r.n desc))[1] end)
        from (
            select b.*, row_number() over (order by b.accepted_at, b.job_id) as n
            from (
                select * from job_repairs o
                where (o.accepted_at, o.job_id) > (after_time, after_id) and o.accepted_at < upto
                order by o.accepted_at, o.job_id limit page_size
            ) as b
        ) as r
    );
end $$;
