-- Refuses declarations before anything is written. What a cron expression means is not known here, only that it has five
-- fields; who declares or ticks reads it.
create or replace function supaqueue_check_new_schedules(schedules jsonb) returns void
language plpgsql stable
set search_path from current
as $$
declare
    refused record;
begin
    perform supaqueue_check_rows('schedules[%s]', schedules,
        '{"schedule_name": "1 to 200 characters", "version": "1 to 9007199254740991", "cron": "1 to 200 characters",
          "time_zone": "1 to 200 characters", "missed": "1 to 200 characters", "missed_limit": "1 to 1000",
          "job": "an object"}',
        array['schedule_name', 'cron', 'time_zone', 'job']);
    perform supaqueue_check_schedule_names(schedules);
    select e.n - 1 as place, c.problem into refused
    from jsonb_array_elements(schedules) with ordinality as e (element, n),
    lateral (select case
        when element ->> 'cron' !~ '^[0-9A-Za-z*/,#-]+( [0-9A-Za-z*/,#-]+){4}$'
            then 'cron: expected five fields with a space between, like 0 7 * * 1-5'
        when element ->> 'time_zone' = 'localtime'
            or not exists (select from pg_timezone_names where name = element ->> 'time_zone')
            then 'time_zone: expected a name of the time zone database, like Europe/Berlin'
        when element ->> 'missed' not in ('skip', 'last', 'all') then 'missed: expected skip, last or all'
        end as problem) as c
    where c.problem is not null limit 1;
    if found then
        raise exception using errcode = 'SQ003', message = format('schedules[%s].%s', refused.place, refused.problem);
    end if;
    perform supaqueue_check_schedule_jobs(schedules);
end $$;
