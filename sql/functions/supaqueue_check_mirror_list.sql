-- Refuses a state that no relay has to do with, or a place that no answer named.
create or replace function supaqueue_check_mirror_list(mirror_state text, page text, page_size integer) returns void
language plpgsql stable
set search_path from current
as $$
begin
    if mirror_state is null or mirror_state not in ('due', 'end_due', 'release_due', 'takeover_due') then
        raise exception using errcode = 'SQ003', message = 'mirror_state: expected due, end_due, release_due or takeover_due';
    end if;
    perform supaqueue_check_list('{}', page, page_size);
end $$;
