-- What a queue is seen doing: `paused`; `busy`, if a worker that is alive holds a task of it, or its rate is used up, so that a probe
-- may only be waiting its turn; else `idle`. What a probe itself is held for is no sign of life. By now(): what is volatile bounds no index scan.
create or replace function supaqueue_look_at_queue(queue_name text) returns text
language sql stable
set search_path from current
as $$
    select case when supaqueue_queue_is_paused(queue_name) then 'paused' when exists (
        select from (
            select t.last_heartbeat, t.purpose from job_tasks t
            where t.queue = queue_name and t.status in ('claimed', 'processing') and t.lease_expires_at > now()
            order by t.lease_expires_at desc limit 1000
        ) as held
        where held.purpose <> 'probe' and held.last_heartbeat > now() - interval '1 minute') or exists (
        select from job_running_limits l
        cross join lateral (
            select from job_limit_windows b
            where b.limit_id = l.limit_id and b.ends_at > now() and b.used >= l.starts_limit limit 1
        ) as w
        where l.queue = queue_name and l.task_type is null and not l.each_tenant) then 'busy' else 'idle' end
$$;
