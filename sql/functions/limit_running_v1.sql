-- Limits what runs of queues, task types, both, or each tenant of those: at most so many leased at once (`running_limit`), at most so
-- many leases begun in a window (`starts_limit` in `starts_seconds`), or (neither) any number. Waits for the claims in flight and marks
-- what is leased, so that once it has answered no claim exceeds it; what is leased above it runs on. Repeatable by request id. Answers
-- each limit as it stands now, in the order asked.
create or replace function limit_running_v1(
    request_id uuid, limits jsonb, changed_by text, contract_version integer
) returns jsonb
language plpgsql security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_running_limits(request_id, limits, changed_by);
    perform supaqueue_lock_flag();
    if supaqueue_begin_change(request_id, 'limit_running_v1', limits, changed_by) then
        perform supaqueue_store_limits(limits, changed_by);
        perform supaqueue_mark_limited();
    end if;
    return (
        select coalesce(jsonb_agg(jsonb_build_object('queue', g.queue, 'task_type', g.task_type,
            'each_tenant', coalesce(g.each_tenant, false), 'running_limit', l.running_limit, 'starts_limit', l.starts_limit,
            'starts_seconds', l.starts_seconds, 'changed_by', l.changed_by) order by g.n), '[]')
        from rows from (jsonb_to_recordset(limit_running_v1.limits) as (queue text, task_type text, each_tenant boolean))
            with ordinality as g (queue, task_type, each_tenant, n)
        left join job_running_limits l on l.queue is not distinct from g.queue and l.task_type is not distinct from g.task_type
            and l.each_tenant = coalesce(g.each_tenant, false)
    );
end $$;
