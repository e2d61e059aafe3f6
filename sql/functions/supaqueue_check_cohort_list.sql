create or replace function supaqueue_check_cohort_list(since text, until text, page text, page_size integer) returns void
language plpgsql stable
set search_path from current
as $$
begin
    perform supaqueue_check_observing(since, until, null, page_size);
    if page !~ '^[^ ]+ .{1,200}$' or not supaqueue_is_moment(split_part(page, ' ', 1)) then
        raise exception using errcode = 'SQ003', message = 'page: expected next_page of the last answer, or null';
    end if;
end $$;
