-- Workers of a queue that were heard of in the last two minutes and have not stopped; and of these, those that run probes: an older
-- SDK does not.
create or replace function supaqueue_living_workers(queue_name text, out living bigint, out serving bigint)
language sql stable
set search_path from current
as $$
    select count(*), count(*) filter (where 'supaqueue.probe' = any (w.task_types)) from job_workers w
    where w.stopped_at is null and w.last_seen_at > clock_timestamp() - interval '2 minutes' and queue_name = any (w.queues)
$$;
