create or replace function supaqueue_seconds_to_next_due(queues text[]) returns double precision
language sql volatile
set search_path from current
as $$
    select case when min(n.run_at) is not null
        then greatest(0, extract(epoch from min(n.run_at) - clock_timestamp())) end
    from unnest(queues) as q (queue)
    cross join lateral (
        select t.run_at from job_tasks t
        where t.queue = q.queue and t.status = 'pending' and t.position is null and t.run_at > now()
        order by t.run_at limit 1
    ) as n
$$;
