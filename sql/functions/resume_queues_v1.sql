-- Ends the pause of queues. Repeatable by request id. Answers each queue as it stands now, in the order asked.
create or replace function resume_queues_v1(
    request_id uuid, queues text[], changed_by text, contract_version integer
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
    perform supaqueue_check_pause(request_id, queues, null, null, null, changed_by);
    perform supaqueue_lock_flag();
    if supaqueue_begin_change(request_id, 'resume_queues_v1', jsonb_build_object('queues', queues), changed_by) then
        update job_queues q set paused_until = null, paused_by = null, reason = null, updated_at = clock_timestamp()
        where q.queue = any (queues);
    end if;
    return supaqueue_paused_queues(queues);
end $$;
