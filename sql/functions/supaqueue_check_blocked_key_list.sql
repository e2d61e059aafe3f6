create or replace function supaqueue_check_blocked_key_list(queue text, page text, page_size integer) returns void
language plpgsql immutable
set search_path from current
as $$
declare
    expected text := case
        when length(queue) not between 1 and 200 then 'queue: expected 1 to 200 characters, or null'
        when page_size between 1 and 1000 is not true then 'page_size: expected 1 to 1000'
        when page !~ '^\["([^"\\]|\\.)*", "([^"\\]|\\.)*"\]$' then 'page: expected next_page of the last answer, or null' end;
begin
    if expected is not null then
        raise exception using errcode = 'SQ003', message = expected;
    end if;
end $$;
