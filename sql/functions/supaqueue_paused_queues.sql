-- Queues and their pauses, one answer for each name, in the order asked.
create or replace function supaqueue_paused_queues(queues text[]) returns jsonb
language sql volatile
set search_path from current
as $$
    select jsonb_agg(coalesce(supaqueue_paused_queue(q), supaqueue_paused_queue(row(g.queue, null, null, null, now())))
        order by g.n)
    from unnest(queues) with ordinality as g (queue, n)
    left join job_queues q on q.queue = g.queue
$$;
