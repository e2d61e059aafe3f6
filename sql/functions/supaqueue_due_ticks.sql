-- The jobs of those ticks that are still to be decided: later than all decided before, not later than now, of schedules that
-- are enabled and stand at the version that the ticks were told from.
create or replace function supaqueue_due_ticks(schedules jsonb, at_once timestamptz) returns jsonb
language sql stable
set search_path from current
as $$
    select coalesce(jsonb_agg(s.job || jsonb_build_object('job_id', supaqueue_tick_job_id(s.schedule_name, tick),
        'run_at', supaqueue_utc_text(tick)) order by tick), '[]')
    from jsonb_to_recordset(schedules) as g (schedule_name text, version bigint, ticks timestamptz[])
    cross join lateral (select * from job_schedules s where s.schedule_name = g.schedule_name offset 0) as s
    cross join lateral (select distinct unnest(g.ticks) as tick) as t
    where s.version = g.version and s.is_enabled and s.removed_at is null and tick > s.ticked_through and tick <= at_once
$$;
