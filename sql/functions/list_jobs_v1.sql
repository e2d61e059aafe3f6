-- Lists jobs, newest first, by page: `next_page` is the cursor of the next one, null at the end. `filter` may name queue,
-- task_type, status, tag, created_after and created_before. Probes are listed only by their type, what met a unique key not at all.
create or replace function list_jobs_v1(
    filter jsonb, page text, page_size integer, contract_version integer
) returns jsonb
language plpgsql stable security definer
set search_path from current
as $$
declare
    before_time timestamptz;
    before_id uuid;
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_list(filter, page, page_size);
    before_time := coalesce(split_part(page, ' ', 1)::timestamptz, 'infinity');
    before_id := coalesce(split_part(page, ' ', 2)::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
    return (
        with listed as (
            select j as job, j.created_at, j.job_id from jobs j
            where (j.created_at, j.job_id) < (before_time, before_id) and j.content_hash is not null and j.deduped_into is null
                and (filter ->> 'queue' is null or j.queue = filter ->> 'queue')
                and (filter ->> 'task_type' is null or j.task_type = filter ->> 'task_type')
                and (j.task_type <> 'supaqueue.probe' or filter ->> 'task_type' = 'supaqueue.probe')
                and (filter ->> 'status' is null or j.status = filter ->> 'status')
                and (filter ->> 'tag' is null or j.tags @> array[filter ->> 'tag'])
                and j.created_at >= coalesce((filter ->> 'created_after')::timestamptz, '-infinity')
                and j.created_at < coalesce((filter ->> 'created_before')::timestamptz, 'infinity')
            order by j.created_at desc, j.job_id desc limit page_size
        )
        select jsonb_build_object(
            'jobs', coalesce(jsonb_agg(supaqueue_job(job, false, false) order by created_at desc, job_id desc), '[]'),
            'next_page', case when count(*) = page_size
                then (array_agg(supaqueue_job_page(created_at, job_id) order by created_at, job_id))[1] end)
        from listed
    );
end $$;
