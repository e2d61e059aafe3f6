-- One batch of a hand-back: looks at the next `want` waiting tasks from `after` on, which is what the last answer called `next`
-- (null begins a pass), and sends those of the types that go back over to legacy. Passes over what other sessions hold. `next` is
-- null at the end of a pass; then `done` says whether all is over: the pass began after every transaction had ended which may have
-- known the flag as it was before, it found nothing to send, nothing of these types is leased, and the relay owes legacy nothing.
-- Repeatable: what went over waits no more.
-- A pass looks at what waits for its time, then at what is ready, then, if there was nothing and nothing comes any more, at what is
-- to be released. In this order nothing slips through: what comes due in between gets a position behind all others, what is ready
-- becomes due again only through supaqueue_hand_back, and what a lease returned is to be released before the last look begins.
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
    place job_hand_back_places;
    pass_xmin xid8;
    found_so_far integer;
    seen record;
    gone uuid[];
    passed_over integer := 0;
    next job_hand_back_places;
    done boolean := false;
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_hand_back(after, want);
    if not exists (select from feature_flag f where f.hand_back <> 'none') then
        return jsonb_build_object('moved', 0, 'passed_over', 0, 'next', null, 'done', false, 'is_on', false);
    end if;
    place := supaqueue_read_place(coalesce(after, '{"look": "due"}'));
    pass_xmin := coalesce((after ->> 'xmin')::xid8, pg_snapshot_xmin(pg_current_snapshot()));
    found_so_far := coalesce((after ->> 'found')::integer, 0);
    -- Whoever read a flag as it was before its last change has a number below this transaction's, which gets its own only now. No
    -- bound of a snapshot would do: a transaction that runs may be numbered above it.
    select coalesce(max(c.change_id), 0) into last_change from feature_flag_changes c;
    insert into job_hand_backs as b (change_id, horizon) values (last_change, pg_current_xact_id())
    on conflict (only_row) do update set change_id = excluded.change_id, horizon = excluded.horizon
    -- After a restore from backup numbers may begin anew.
    where (b.change_id, -b.horizon::text::numeric) < (excluded.change_id, -excluded.horizon::text::numeric);
    if after is null then
        delete from job_hand_back_places p where p.stored_at < clock_timestamp() - interval '1 day';
    end if;

    if place.look = 'release_due' then
        select * into seen from supaqueue_look_for_release_due(place);
        next := case when not seen.any_due then seen.ended end;
        done := next.look is null and not seen.any_due and supaqueue_nothing_left_to_go(pass_xmin);
    else
        select * into seen from supaqueue_look_for_waiting(place, want);
        gone := supaqueue_hand_back(supaqueue_lock_free_jobs(seen.job_ids));
        perform supaqueue_store_places(seen.reached, gone);
        select count(distinct j.job_id) into passed_over from unnest(seen.job_ids) as g (job_id)
        cross join lateral (select * from jobs b where b.job_id = g.job_id offset 0) as j
        where j.owner = 'supabase' and (not j.held or supaqueue_goes_back(j.task_type) = 'all')
            and j.status in ('pending', 'processing');
        found_so_far := found_so_far + coalesce(cardinality(gone), 0) + passed_over;
        next := case
            when (seen.next).look is not null then seen.next
            when place.look = 'due' then supaqueue_read_place('{"look": "ready"}')
            when found_so_far = 0 and supaqueue_nothing_left_to_go(pass_xmin) then supaqueue_read_place('{"look": "release_due"}') end;
    end if;
    return jsonb_build_object('moved', coalesce(cardinality(gone), 0), 'passed_over', passed_over, 'is_on', true, 'done', done,
        'next', case when next.look is not null then
            to_jsonb(next) - 'stored_at' || jsonb_build_object('found', found_so_far, 'xmin', pass_xmin::text) end);
end $$;
