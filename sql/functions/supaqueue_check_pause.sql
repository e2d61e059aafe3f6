create or replace function supaqueue_check_pause(
    request_id uuid, queues text[], pause_seconds double precision, paused_until timestamptz, reason text, changed_by text
) returns void
language plpgsql immutable
set search_path from current
as $$
declare
    expected text := case
        when request_id is null then 'request_id: expected a UUID'
        when coalesce(cardinality(queues), 0) not between 1 and 1000
            or exists (select from unnest(queues) as q where length(q) between 1 and 200 is not true)
            then 'queues: expected 1 to 1000 names of 1 to 200 characters'
        when pause_seconds not between 0.001 and 3153600000 then 'pause_seconds: expected 0.001 to 3153600000, or null'
        when pause_seconds is not null and paused_until is not null then 'paused_until: expected none together with pause_seconds'
        when length(reason) > 1000 then 'reason: expected at most 1000 characters'
        when length(changed_by) > 200 then 'changed_by: expected at most 200 characters' end;
begin
    if expected is not null then
        raise exception using errcode = 'SQ003', message = expected;
    end if;
end $$;
