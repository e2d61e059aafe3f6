-- Lists failed tasks, the latest first, by page: `next_page` is the cursor of the next one, null at the end. `filter` may name
-- job_id, queue, task_type, error_type, parked, failed_after and failed_before. Each row has the lease token that replay and drop ask for.
create or replace function list_dead_letters_v1(
    filter jsonb, page text, page_size integer, contract_version integer
) returns jsonb
language plpgsql stable security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $$
declare
    before_time timestamptz;
    before_id uuid;
    before_number smallint;
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_dead_letter_list(filter, page, page_size);
    before_time := coalesce(split_part(page, ' ', 1)::timestamptz, 'infinity');
    before_id := coalesce(split_part(page, ' ', 2)::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
    before_number := coalesce(split_part(page, ' ', 3)::smallint, 32767);
    return (
        with listed as (
            select t as task, t.finished_at, t.job_id, t.task_number from job_tasks t
            where t.status = 'failed' and t.purpose = 'run'
                and (t.finished_at, t.job_id, t.task_number) < (before_time, before_id, before_number)
                and (filter ->> 'job_id' is null or t.job_id = (filter ->> 'job_id')::uuid)
                and (filter ->> 'queue' is null or t.queue = filter ->> 'queue')
                and (filter ->> 'task_type' is null or t.task_type = filter ->> 'task_type')
                and (filter ->> 'error_type' is null or t.error ->> 'type' = filter ->> 'error_type')
                and (filter ->> 'parked' is null or t.parked = (filter ->> 'parked')::boolean)
                and t.finished_at >= coalesce((filter ->> 'failed_after')::timestamptz, '-infinity')
                and t.finished_at < coalesce((filter ->> 'failed_before')::timestamptz, 'infinity')
            order by t.finished_at desc, t.job_id desc, t.task_number desc limit page_size
        )
        select jsonb_build_object(
            'dead_letters', coalesce(jsonb_agg(supaqueue_dead_letter(task)
                order by finished_at desc, job_id desc, task_number desc), '[]'),
            'next_page', case when count(*) = page_size then (array_agg(
                to_char(finished_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || ' ' || job_id::text || ' '
                    || task_number::text order by finished_at, job_id, task_number))[1] end)
        from listed
    );
end $$;
