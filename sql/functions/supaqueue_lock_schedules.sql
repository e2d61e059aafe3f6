-- The first statement of every change of schedules: in the order of their names, so that no two wait for each other in a circle.
create or replace function supaqueue_lock_schedules(given jsonb) returns void
language plpgsql
set search_path from current
as $$
begin
    perform from (
        select element ->> 'schedule_name' as schedule_name from jsonb_array_elements(given) as element order by 1
    ) as g
    cross join lateral (select from job_schedules s where s.schedule_name = g.schedule_name for no key update) as locked;
end $$;
