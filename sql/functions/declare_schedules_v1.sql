-- Makes schedules stand as given. Repeatable: per schedule `declared`, or `changed` if it stands otherwise at another version
-- than the one named (none for one that is new): name the version answered to replace that. A repeat that comes late therefore
-- undoes nothing. Only a new cron expression or time zone decides what ticked until now; whether it is enabled is kept.
create or replace function declare_schedules_v1(schedules jsonb, contract_version integer) returns jsonb
language plpgsql security definer
set search_path from current
as $$
#variable_conflict use_column
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_new_schedules(schedules);
    -- Rows are never deleted: what is not new is there in the next statement.
    insert into job_schedules (schedule_name, cron, time_zone, job, missed, missed_limit)
    select g.schedule_name, g.cron, g.time_zone, g.job, g.missed, g.missed_limit
    from jsonb_array_elements(schedules) as element cross join lateral supaqueue_new_schedule(element) as g
    order by g.schedule_name
    on conflict do nothing;
    perform supaqueue_lock_schedules(schedules);

    update job_schedules s set cron = g.cron, time_zone = g.time_zone, job = g.job, missed = g.missed,
        missed_limit = g.missed_limit, version = nextval('job_schedule_version'), updated_at = clock_timestamp(),
        removed_at = null, is_enabled = s.is_enabled or s.removed_at is not null,
        ticked_through = case when s.removed_at is null and (s.cron, s.time_zone) = (g.cron, g.time_zone)
            then s.ticked_through else greatest(s.ticked_through, clock_timestamp()) end
    from jsonb_array_elements(schedules) as element cross join lateral supaqueue_new_schedule(element) as g
    where s.schedule_name = g.schedule_name and s.version = g.version and not supaqueue_schedule_stands(s, g);

    return (
        select coalesce(jsonb_agg(jsonb_build_object('schedule_name', g.schedule_name, 'version', s.version,
            'answer', case when supaqueue_schedule_stands(s, g) then 'declared' else 'changed' end) order by e.n), '[]')
        from jsonb_array_elements(schedules) with ordinality as e (element, n)
        cross join lateral supaqueue_new_schedule(e.element) as g
        cross join lateral (select * from job_schedules where schedule_name = g.schedule_name offset 0) as s
    );
end $$;
