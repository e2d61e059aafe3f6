-- Removes schedules; the jobs of their ticks stay. Repeatable: per schedule `removed`, `changed` (it stands at another version
-- than the one named) or `unknown`.
create or replace function remove_schedules_v1(schedules jsonb, contract_version integer) returns jsonb
language plpgsql security definer
set search_path from current
as $$
#variable_conflict use_column
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_rows('schedules[%s]', schedules,
        '{"schedule_name": "1 to 200 characters", "version": "1 to 9007199254740991"}', array['schedule_name']);
    perform supaqueue_check_schedule_names(schedules);
    perform supaqueue_lock_schedules(schedules);
    update job_schedules s set removed_at = clock_timestamp(), version = nextval('job_schedule_version'),
        updated_at = clock_timestamp()
    from jsonb_to_recordset(schedules) as g (schedule_name text, version bigint)
    where s.schedule_name = g.schedule_name and s.version = g.version and s.removed_at is null;

    return (
        select coalesce(jsonb_agg(jsonb_build_object('schedule_name', e.element ->> 'schedule_name', 'version', s.version,
            'answer', case
                when s.schedule_name is null then 'unknown'
                when s.removed_at is not null then 'removed'
                else 'changed' end) order by e.n), '[]')
        from jsonb_array_elements(schedules) with ordinality as e (element, n)
        left join lateral (
            select * from job_schedules where schedule_name = e.element ->> 'schedule_name' offset 0) as s on true
    );
end $$;
