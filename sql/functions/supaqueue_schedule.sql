-- A schedule as readers see it; the payload only if asked for.
create or replace function supaqueue_schedule(s job_schedules, with_payload boolean) returns jsonb
language sql stable
set search_path from current
as $$
    select jsonb_build_object('schedule_name', (s).schedule_name, 'cron', (s).cron, 'time_zone', (s).time_zone,
        'job', case when with_payload then (s).job else (s).job - 'payload' end, 'missed', (s).missed,
        'missed_limit', (s).missed_limit, 'is_enabled', (s).is_enabled, 'version', (s).version,
        'ticked_through', (s).ticked_through, 'created_at', (s).created_at, 'updated_at', (s).updated_at)
$$;
