-- Takes the turn from the failed tasks that block these keys; says of each, in the order given, whether it did. Their jobs are locked
-- first; what blocked a key then, and is another's turn now, is left.
create or replace function supaqueue_release_order_keys(keys jsonb) returns jsonb
language plpgsql
set search_path from current
as $$
#variable_conflict use_column
declare
    blocking record;
    released jsonb;
begin
    select array_agg(t.job_id) as job_ids, array_agg(t.task_number) as task_numbers into blocking
    from jsonb_to_recordset(keys) as g (queue text, order_key text)
    cross join lateral (
        select b.job_id, b.task_number from job_tasks b
        where b.queue = g.queue and b.order_key = g.order_key and b.status = 'failed' and b.blocks_key offset 0
    ) as t;
    perform supaqueue_lock_jobs(blocking.job_ids);
    with freed as (
        update job_tasks t set blocks_key = false
        from (
            select distinct u.job_id, u.task_number from unnest(blocking.job_ids, blocking.task_numbers) as u (job_id, task_number)
        ) as g
        cross join lateral (
            select b.ctid as place, b.status, b.blocks_key from job_tasks b
            where b.job_id = g.job_id and b.task_number = g.task_number offset 0
        ) as before
        where t.ctid = before.place and before.status = 'failed' and before.blocks_key
        returning t.queue, t.order_key, t.job_id
    )
    select jsonb_agg(to_jsonb(f)) into released from freed f;
    return (
        select jsonb_agg(jsonb_build_object('queue', g.queue, 'order_key', g.order_key, 'job_id', f.job_id,
            'answer', case when f.job_id is null then 'not_blocked' else 'released' end) order by g.n)
        from rows from (
            jsonb_to_recordset(keys) as (queue text, order_key text)
        ) with ordinality as g (queue, order_key, n)
        left join jsonb_to_recordset(released) as f (queue text, order_key text, job_id uuid)
            on f.queue = g.queue and f.order_key = g.order_key
    );
end $$;
