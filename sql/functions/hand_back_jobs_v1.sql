-- One batch of a hand-back: looks at the next `want` waiting tasks from `after` on, which is what the last answer called `next`
-- (null begins a pass), and sends those of the types that go back over to legacy. Passes over what other sessions hold. `next` is
-- null at the end of a pass; then `done` says whether all is over: the pass began after every transaction had ended which may have
-- known the flag as it was before, it found nothing to send, nothing of these types is leased, and the relay owes legacy nothing.
-- Repeatable: what went over waits no more.
create or replace function hand_back_jobs_v1(after jsonb, want integer, contract_version integer) returns jsonb
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
declare
    last_change bigint;
    place jsonb := coalesce(after, jsonb_build_object('ready', false, 'found', 0,
        'xmin', pg_snapshot_xmin(pg_current_snapshot())::text));
    seen record;
    moved integer;
    passed_over integer;
    found_so_far integer;
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_hand_back(after, want);
    if not exists (select from feature_flag f where f.hand_back <> 'none') then
        return jsonb_build_object('moved', 0, 'passed_over', 0, 'next', null, 'done', false, 'is_on', false);
    end if;
    -- Whoever read a flag as it was before its last change has a number below this transaction's, which gets its own only now. No
    -- bound of a snapshot would do: a transaction that runs may be numbered above it.
    select coalesce(max(c.change_id), 0) into last_change from feature_flag_changes c;
    insert into job_hand_backs as b (change_id, horizon) values (last_change, pg_current_xact_id())
    on conflict (only_row) do update set change_id = excluded.change_id, horizon = excluded.horizon
    -- After a restore from backup numbers may begin anew.
    where (b.change_id, -b.horizon::text::numeric) < (excluded.change_id, -excluded.horizon::text::numeric);

    select * into seen from supaqueue_waiting_to_go_back(place, want);
    moved := coalesce(cardinality(supaqueue_hand_back(supaqueue_lock_free_jobs(seen.job_ids))), 0);
    passed_over := (
        select count(distinct j.job_id) from unnest(seen.job_ids) as g (job_id)
        cross join lateral (select * from jobs b where b.job_id = g.job_id offset 0) as j
        where j.owner = 'supabase' and (not j.held or supaqueue_goes_back(j.task_type) = 'all')
            and j.status in ('pending', 'processing'));
    found_so_far := (place ->> 'found')::integer + moved + passed_over;
    return jsonb_build_object('moved', moved, 'passed_over', passed_over, 'is_on', true,
        'next', seen.next || jsonb_build_object('found', found_so_far, 'xmin', place -> 'xmin'),
        'done', seen.next is null and found_so_far = 0 and supaqueue_hand_back_is_over((place ->> 'xmin')::xid8));
end $$;
