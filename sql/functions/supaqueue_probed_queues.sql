-- The queues to probe where none are named: those of living workers, and those in which work waits, so that one whose workers
-- have all died is probed for as long as that matters. Goes from queue to queue along the index of what is ready.
create or replace function supaqueue_probed_queues() returns text[]
language sql stable
set search_path from current
as $$
    with recursive waiting as (
        (select t.queue from job_tasks t where t.status = 'pending' and t.position is not null order by t.queue, t.position limit 1)
        union all
        select (
            select t.queue from job_tasks t
            where t.status = 'pending' and t.position is not null and t.queue > w.queue order by t.queue, t.position limit 1)
        from waiting w where w.queue is not null
    ), probed as (
        select unnest(w.queues) as queue from job_workers w
        where w.stopped_at is null and w.last_seen_at > clock_timestamp() - interval '2 minutes'
        union
        select w.queue from waiting w
        where w.queue is not null and exists (
            select from job_tasks t
            where t.queue = w.queue and t.status = 'pending' and t.position is not null and t.purpose = 'run' offset 0)
        order by queue limit 1000
    )
    select coalesce(array_agg(p.queue), '{}') from probed p
$$;
