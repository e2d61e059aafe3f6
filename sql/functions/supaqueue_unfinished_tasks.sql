-- Tasks of Supabase's that could run now or do, by type: how many, and for how long the oldest of those that wait has been due. What
-- lies in a paused queue, waits for its time or is blocked does not count; of what a limit may hold back it does not count how long it
-- waits. Of a very long queue a million tasks are looked at.
create or replace function supaqueue_unfinished_tasks(at_once timestamptz)
returns table (task_type text, unfinished bigint, oldest_seconds double precision)
language plpgsql stable
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set enable_sort = off
set jit = off
as $$
declare
    paused constant text[] := array(select q.queue from job_queues q where q.paused_until > at_once);
    limits constant job_running_limits[] := (select array_agg(l) from job_running_limits l);
begin
    return query
    select w.task_type, count(*), coalesce(extract(epoch from at_once - min(w.run_at) filter (where w.waits
        and (limits is null or not exists (
            select from unnest(limits) as l
            where (l.queue is null or l.queue = w.queue) and (l.task_type is null or l.task_type = w.task_type)
                and (not l.each_tenant or w.tenant <> ''))))), 0)::double precision
    from (
        (select t.task_type, t.run_at, t.purpose, t.queue, t.tenant, true as waits from job_tasks t
        where t.status = 'pending' and t.position is not null and t.queue <> all (paused)
        order by t.queue, t.position limit 1000000)
        union all
        -- Due, and no claim has come to promote it.
        (select t.task_type, t.run_at, t.purpose, t.queue, t.tenant, true from job_tasks t
        where t.status = 'pending' and t.position is null and t.run_at <= at_once and t.queue <> all (paused)
        order by t.queue, t.run_at, t.job_id limit 1000000)
        union all
        (select t.task_type, t.run_at, t.purpose, t.queue, t.tenant, false from job_tasks t
        where t.status in ('claimed', 'processing') order by t.queue, t.lease_expires_at limit 1000000)
    ) as w
    where w.purpose = 'run' group by w.task_type;
end $$;
