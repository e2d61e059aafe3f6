-- Limits how many jobs may wait in queues, or (`waiting_limit` null) lets any number wait. What is over it is refused
-- (`on_full` refuse: the whole call, SQ006), or accepted and its producer told to wait (slow). Repeatable by request id. Answers each
-- queue as it stands now, in the order asked.
create or replace function limit_waiting_v1(
    request_id uuid, queues text[], waiting_limit integer, on_full text, changed_by text, contract_version integer
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
    if limit_waiting_v1.waiting_limit not between 1 and 1000000 then
        raise exception using errcode = 'SQ003', message = 'waiting_limit: expected 1 to 1000000, or null';
    elsif (limit_waiting_v1.waiting_limit is null) <> (limit_waiting_v1.on_full is null)
        or limit_waiting_v1.on_full not in ('refuse', 'slow') then
        raise exception using errcode = 'SQ003', message = 'on_full: expected refuse or slow, null without waiting_limit';
    end if;
    if supaqueue_begin_change(request_id, 'limit_waiting_v1', jsonb_build_object('queues', queues,
            'waiting_limit', limit_waiting_v1.waiting_limit, 'on_full', limit_waiting_v1.on_full), changed_by) then
        if limit_waiting_v1.waiting_limit is null then
            delete from job_waiting_limits l where l.queue = any (queues);
        else
            insert into job_waiting_limits as l (queue, waiting_limit, on_full, changed_by)
            select g.queue, limit_waiting_v1.waiting_limit, limit_waiting_v1.on_full, limit_waiting_v1.changed_by
            from (select distinct u.queue from unnest(queues) as u (queue)) as g order by g.queue
            on conflict (queue) do update set waiting_limit = excluded.waiting_limit, on_full = excluded.on_full,
                changed_by = excluded.changed_by, waiting = null, trusted_until = null, updated_at = clock_timestamp();
        end if;
    end if;
    return (
        select jsonb_agg(jsonb_build_object('queue', g.queue, 'waiting_limit', l.waiting_limit, 'on_full', l.on_full,
            'changed_by', l.changed_by) order by g.n)
        from unnest(queues) with ordinality as g (queue, n)
        left join lateral (select * from job_waiting_limits b where b.queue = g.queue offset 0) as l on true
    );
end $$;
