-- Lists the tasks of a job in their order, by page: those with a number over `after_number` (-1 at first); `next_after` is where to go on, null
-- at the end. A page ends after 4 MiB of results, or a single one. Null if there is no such job.
create or replace function list_job_tasks_v1(job_id uuid, after_number integer, page_size integer, contract_version integer) returns jsonb
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
    most_bytes constant bigint := 4194304;
    listed record;
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_job_ids(array[job_id]);
    perform supaqueue_check_rows('page', jsonb_build_array(jsonb_build_object('after_number', after_number, 'page_size', page_size)),
        '{"after_number": "-1 to 32767", "page_size": "1 to 1000"}', array['after_number', 'page_size']);
    if not exists (select from jobs j where j.job_id = list_job_tasks_v1.job_id and j.content_hash is not null) then
        return null;
    end if;
    select array_agg(p.task_number) filter (where p.n = 1 or p.bytes <= most_bytes) as numbers, count(*) as number into listed
    from (
        select t.task_number, row_number() over (order by t.task_number) as n,
            sum(coalesce(octet_length(t.result::text), 0)) over (order by t.task_number) as bytes
        from (
            select b.task_number, b.result from job_tasks b
            where b.job_id = list_job_tasks_v1.job_id and b.task_number > after_number and b.purpose <> 'shadow'
            order by b.job_id, b.task_number limit page_size
        ) as t
    ) as p;
    return jsonb_build_object(
        'tasks', supaqueue_job_tasks(job_id, coalesce(listed.numbers, '{}'), false, false),
        'next_after', case when listed.number = page_size or listed.number > cardinality(listed.numbers)
            then listed.numbers[cardinality(listed.numbers)] end);
end $$;
