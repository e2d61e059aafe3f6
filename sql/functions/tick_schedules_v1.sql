-- Decides what ticked: each of `ticks` gets its job, every other moment until `through` is passed over. Repeatable: per schedule
-- `ticked` if all until `through` is decided, by whomever, else `changed` (it stands at another version, is disabled or gone);
-- and per tick `created`, `exists` (its job is there) or `passed` (it has none).
create or replace function tick_schedules_v1(schedules jsonb, contract_version integer) returns jsonb
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
    at_once timestamptz;
    created uuid[];
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_ticks(schedules);
    perform supaqueue_lock_schedules(schedules);
    at_once := clock_timestamp();

    select array_agg((stored ->> 'job_id')::uuid) into created
    from jsonb_array_elements(supaqueue_enqueue_jobs(supaqueue_due_ticks(schedules, at_once), is_limited => false)) as stored
    where stored ->> 'answer' = 'created';
    update job_schedules s set ticked_through = least(g.through, at_once)
    from jsonb_to_recordset(schedules) as g (schedule_name text, version bigint, through timestamptz)
    where s.schedule_name = g.schedule_name and s.version = g.version and s.is_enabled and s.removed_at is null
        and s.ticked_through < least(g.through, at_once);

    return (
        select coalesce(jsonb_agg(jsonb_build_object('schedule_name', g.schedule_name,
            'answer', case when s.ticked_through >= least(g.through, at_once) then 'ticked' else 'changed' end,
            'ticks', supaqueue_tick_answers(g.schedule_name, g.ticks, created)) order by g.n), '[]')
        from rows from (jsonb_to_recordset(schedules) as (schedule_name text, ticks timestamptz[], through timestamptz))
            with ordinality as g (schedule_name, ticks, through, n)
        left join lateral (select * from job_schedules s where s.schedule_name = g.schedule_name offset 0) as s on true
    );
end $$;
