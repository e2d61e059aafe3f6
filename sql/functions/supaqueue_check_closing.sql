-- Refuses a closing of cohorts before anything is written.
create or replace function supaqueue_check_closing(
    since text, first_seconds double precision, settle_seconds double precision, settle_by_type jsonb
) returns void
language plpgsql stable
set search_path from current
as $$
declare
    expected text;
begin
    if since is null or not supaqueue_is_moment(since) or since::timestamptz > clock_timestamp() then
        expected := 'since: expected a moment that has passed, like 2030-01-31T12:00:00Z';
    elsif first_seconds between 0 and 86400 is not true then
        expected := 'first_seconds: expected 0 to 86400';
    elsif settle_seconds between 0 and 604800 is not true then
        expected := 'settle_seconds: expected 0 to 604800';
    elsif jsonb_typeof(settle_by_type) is distinct from 'object' then
        expected := 'settle_by_type: expected an object';
    elsif exists (
        select from jsonb_each(settle_by_type) as e where case when jsonb_typeof(e.value) = 'number'
            then (e.value #>> '{}')::numeric not between 0 and 604800
                or e.value <> '0' and (e.value #>> '{}')::numeric < 0.001 else true end) then
        expected := 'settle_by_type: expected 0 to 604800 for each type';
    end if;
    if expected is not null then
        raise exception using errcode = 'SQ003', message = expected;
    end if;
end $$;
