create or replace function supaqueue_check_ticks(schedules jsonb) returns void
language plpgsql stable
set search_path from current
as $$
declare
    refused record;
begin
    perform supaqueue_check_rows('schedules[%s]', schedules,
        '{"schedule_name": "1 to 200 characters", "version": "1 to 9007199254740991", "ticks": "an array of names",
          "through": "a string"}',
        array['schedule_name', 'version', 'ticks', 'through']);
    perform supaqueue_check_schedule_names(schedules);
    if (select sum(jsonb_array_length(element -> 'ticks')) from jsonb_array_elements(schedules) as element) > 10000 then
        raise exception using errcode = 'SQ003', message = 'schedules: expected at most 10000 ticks in one call';
    end if;
    select n - 1 as place, case when not supaqueue_is_moment(element ->> 'through') then 'through' else 'ticks' end as field
    into refused
    from jsonb_array_elements(schedules) with ordinality as e (element, n)
    where not supaqueue_is_moment(element ->> 'through') or exists (
        select from jsonb_array_elements_text(element -> 'ticks') as tick
        where case when supaqueue_is_moment(tick) then tick::timestamptz > (element ->> 'through')::timestamptz else true end)
    limit 1;
    if found then
        raise exception using errcode = 'SQ003', message = format('schedules[%s].%s: expected %s', refused.place, refused.field,
            case refused.field when 'through' then 'a moment, like 2030-01-31T12:00:00Z' else 'moments, none after through' end);
    end if;
end $$;
