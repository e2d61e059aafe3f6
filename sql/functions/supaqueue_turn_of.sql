-- The tenant in whose turn a new task waits: its own, or '' for one without if its type has a limit: see supaqueue_set_apart.
create or replace function supaqueue_turn_of(queue text, task_type text, tenant text) returns text
language sql stable
set search_path from current
as $$
    select coalesce(tenant, case when exists (
        select from job_running_limits l
        where l.task_type = supaqueue_turn_of.task_type and not l.each_tenant
            and (l.queue is null or l.queue = supaqueue_turn_of.queue)) then '' end)
$$;
