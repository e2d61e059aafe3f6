create or replace function supaqueue_check_observing(
    since text, until text, page text, page_size integer
) returns void
language plpgsql stable
set search_path from current
as $$
declare
    expected text;
begin
    if since is null or not supaqueue_is_moment(since) then
        expected := 'since: expected a moment, like 2030-01-31T12:00:00Z';
    elsif until is null or not supaqueue_is_moment(until) or until::timestamptz < since::timestamptz then
        expected := 'until: expected a moment, not before since';
    elsif page_size between 1 and 5000 is not true then
        expected := 'page_size: expected 1 to 5000';
    elsif page !~ '^[^ ]+ [0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' or not supaqueue_is_moment(split_part(page, ' ', 1)) then
        expected := 'page: expected next_page of the last answer, or null';
    end if;
    if expected is not null then
        raise exception using errcode = 'SQ003', message = expected;
    end if;
end $$;
