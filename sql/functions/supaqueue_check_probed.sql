create or replace function supaqueue_check_probed(queues text[]) returns void
language plpgsql immutable
set search_path from current
as $$
begin
    if cardinality(queues) > 1000
        or exists (select from unnest(queues) as q where coalesce(length(q), 0) not between 1 and 200) then
        raise exception using errcode = 'SQ003', message = 'queues: expected up to 1000 names of 1 to 200 characters';
    end if;
end $$;
