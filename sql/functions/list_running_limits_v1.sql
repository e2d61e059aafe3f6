-- The limits on what runs, by queue and task type: what each says, what runs under it now, and what the open window has used. Of a
-- limit of each tenant both are those of the tenant that has most.
create or replace function list_running_limits_v1(contract_version integer) returns jsonb
language plpgsql stable security definer
set search_path from current
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
begin
    perform supaqueue_check_call(contract_version);
    return (
        select coalesce(jsonb_agg(jsonb_build_object('queue', l.queue, 'task_type', l.task_type, 'each_tenant', l.each_tenant,
            'running_limit', l.running_limit, 'starts_limit', l.starts_limit, 'starts_seconds', l.starts_seconds,
            'changed_by', l.changed_by, 'running', coalesce(u.running, 0), 'starts', coalesce(u.starts, 0))
            order by l.queue, l.task_type, l.each_tenant), '[]')
        from job_running_limits l
        left join lateral (
            select max(o.running) as running, max(o.starts) as starts from supaqueue_limit_uses(array[l]) as o
        ) as u on true
    );
end $$;
