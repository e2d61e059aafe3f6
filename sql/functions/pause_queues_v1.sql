-- Pauses queues for so many seconds, until a time, or (neither given) until they are resumed. Once it has answered, nothing is
-- newly leased from them; what is leased runs on, and what a worker has not started goes back. Repeatable by request id.
-- Answers each queue as it stands now, in the order asked.
create or replace function pause_queues_v1(
    request_id uuid, queues text[], pause_seconds double precision, paused_until timestamptz, reason text, changed_by text,
    contract_version integer
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
    perform supaqueue_check_pause(request_id, queues, pause_seconds, paused_until, reason, changed_by);
    perform supaqueue_lock_flag();
    if supaqueue_begin_change(request_id, 'pause_queues_v1',
            jsonb_build_object('queues', queues, 'pause_seconds', pause_seconds, 'paused_until', pause_queues_v1.paused_until,
                'reason', pause_queues_v1.reason), changed_by) then
        insert into job_queues as q (queue, paused_until, paused_by, reason)
        select g.queue, coalesce(pause_queues_v1.paused_until, clock_timestamp() + make_interval(secs => pause_seconds),
            'infinity'), changed_by,
            pause_queues_v1.reason
        from (select distinct u.queue from unnest(queues) as u (queue)) as g
        on conflict (queue) do update set paused_until = excluded.paused_until, paused_by = excluded.paused_by,
            reason = excluded.reason, updated_at = clock_timestamp();
    end if;
    return supaqueue_paused_queues(queues);
end $$;
