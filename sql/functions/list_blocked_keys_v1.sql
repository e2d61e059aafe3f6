-- Lists order keys that a failed task blocks, by queue and key, by page: `next_page` is the cursor of the next one, null at the end.
-- Of one queue, or (null) of all. Each with what failed and, up to 1000, how many tasks wait behind it (`waiting`).
create or replace function list_blocked_keys_v1(
    queue text, page text, page_size integer, contract_version integer
) returns jsonb
language plpgsql stable security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
set jit = off
as $$
#variable_conflict use_variable
declare
    after_queue text;
    after_key text;
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_blocked_key_list(queue, page, page_size);
    after_queue := coalesce(page::jsonb ->> 0, queue, '');
    after_key := coalesce(page::jsonb ->> 1, '');
    return (
        with listed as materialized (
            select t.queue as of_queue, t.order_key, t.job_id, t.task_number, t.lease_token, t.task_type, t.finished_at, t.error
            from job_tasks t
            where t.status = 'failed' and t.blocks_key and (t.queue, t.order_key) > (after_queue, after_key)
                and (queue is null or t.queue = queue)
            order by t.queue, t.order_key limit page_size
        )
        select jsonb_build_object(
            'blocked_keys', coalesce(jsonb_agg(jsonb_build_object('queue', l.of_queue, 'order_key', l.order_key, 'job_id', l.job_id,
                'task_number', l.task_number, 'lease_token', l.lease_token, 'task_type', l.task_type, 'failed_at', l.finished_at,
                'error_type', l.error ->> 'type', 'waiting', w.waiting) order by l.of_queue, l.order_key), '[]'),
            'next_page', case when count(*) = page_size then (
                array_agg(jsonb_build_array(l.of_queue, l.order_key)::text order by l.of_queue desc, l.order_key desc))[1] end)
        from listed l
        cross join lateral (
            select count(*) as waiting from (
                select from job_tasks b
                where b.queue = l.of_queue and b.order_key = l.order_key and b.order_key is not null and b.status = 'blocked'
                order by b.queue, b.order_key, b.key_position limit 1000
            ) as behind
        ) as w
    );
end $$;
