-- Queues and their pauses, one answer for each name, in the order asked; of most names nothing was ever declared.
create or replace function supaqueue_paused_queues(queues text[]) returns jsonb
language sql volatile
set search_path from current
as $$
    select jsonb_agg(case when q.queue is null then supaqueue_paused_queue(row(g.queue, null, null, null, null))
        else supaqueue_paused_queue(q.declared) end order by g.n)
    from unnest(queues) with ordinality as g (queue, n)
    left join lateral (
        select b.queue, b as declared from job_queues b where b.queue = g.queue offset 0
    ) as q on true
$$;
