-- Whether a schedule is what a declaration asks for.
create or replace function supaqueue_schedule_stands(s job_schedules, asked job_schedules) returns boolean
language sql immutable
set search_path from current
as $$
    select (s).removed_at is null and ((s).cron, (s).time_zone, (s).job, (s).missed, (s).missed_limit)
        = ((asked).cron, (asked).time_zone, (asked).job, (asked).missed, (asked).missed_limit)
$$;
