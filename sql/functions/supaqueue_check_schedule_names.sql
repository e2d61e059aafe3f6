create or replace function supaqueue_check_schedule_names(schedules jsonb) returns void
language plpgsql immutable
set search_path from current
as $$
declare
    twice bigint;
begin
    if jsonb_array_length(schedules) > 1000 then
        raise exception using errcode = 'SQ003', message = 'schedules: expected at most 1000 in one call';
    end if;
    select min(n) - 1 into twice from (
        select n, row_number() over (partition by element ->> 'schedule_name' order by n) as occurrence
        from jsonb_array_elements(schedules) with ordinality as e (element, n)
    ) as named
    where occurrence > 1;
    if twice is not null then
        raise exception using
            errcode = 'SQ003', message = format('schedules[%s].schedule_name: expected each name once', twice);
    end if;
end $$;
