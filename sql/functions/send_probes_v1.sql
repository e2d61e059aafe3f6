-- Sends a probe through each of these queues (null: supaqueue_probed_queues) that had none in this minute, however many ask: a
-- small job which any worker runs, whatever the flag of a cutover says, and which counts nowhere. `unserved`: has workers, none of
-- which runs probes; there none is sent.
create or replace function send_probes_v1(queues text[], contract_version integer) returns jsonb
language plpgsql security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $$
declare
    unserved text[];
    probed text[];
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_probed(queues);
    -- Taken in a statement before the look: of two senders the second sees what the first has sent.
    perform pg_advisory_xact_lock(hashtextextended('supaqueue probes ' || current_schema(), 0));
    -- The transaction has its number before it draws a position or looks at the clock: claims rely on that order.
    perform pg_current_xact_id();
    select coalesce(array_agg(q.queue order by q.queue) filter (where w.living = 0 or w.serving > 0), '{}'),
        coalesce(array_agg(q.queue order by q.queue) filter (where w.living > 0 and w.serving = 0), '{}')
    into probed, unserved
    from (select distinct u.queue from unnest(coalesce(queues, supaqueue_probed_queues())) as u (queue)) as q
    cross join lateral (select * from supaqueue_living_workers(q.queue) offset 0) as w;
    perform supaqueue_store_probes(probed);
    perform supaqueue_forget_probes();
    return jsonb_build_object('probed', to_jsonb(probed), 'unserved', to_jsonb(unserved));
end $$;
