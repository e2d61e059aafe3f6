create or replace function supaqueue_check_copy_repairs(seen_at text, dry_run boolean, repaired_by text) returns void
language plpgsql stable
set search_path from current
as $$
declare
    expected text := case
        when supaqueue_is_moment(seen_at) is not true or seen_at::timestamptz > clock_timestamp()
            then 'seen_at: expected a moment that has passed, like 2030-01-31T12:00:00Z'
        when dry_run is null then 'dry_run: expected true or false'
        when length(repaired_by) > 200 then 'repaired_by: expected at most 200 characters' end;
begin
    if expected is not null then
        raise exception using errcode = 'SQ003', message = expected;
    end if;
end $$;
