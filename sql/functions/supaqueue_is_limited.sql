-- Whether one of these limits matches such a task, so that its lease is counted.
create or replace function supaqueue_is_limited(
    limits job_running_limits[], queue text, task_type text, tenant text
) returns boolean
language sql immutable
set search_path from current
as $$
    select exists (
        select from unnest(limits) as l
        where (l.queue is null or l.queue = supaqueue_is_limited.queue)
            and (l.task_type is null or l.task_type = supaqueue_is_limited.task_type)
            and (not l.each_tenant or supaqueue_is_limited.tenant <> ''))
$$;
