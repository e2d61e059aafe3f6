create or replace function supaqueue_check_claim(
    queues text[], task_types text[], want integer, lease_seconds double precision
) returns void
language plpgsql immutable
set search_path from current
as $$
begin
    perform supaqueue_check_lease(lease_seconds);
    if coalesce(cardinality(queues), 0) not between 1 and 100 or array_position(queues, null) is not null then
        raise exception using errcode = 'SQ003', message = 'queues: expected 1 to 100 names';
    end if;
    if coalesce(cardinality(task_types), 0) not between 1 and 1000 or array_position(task_types, null) is not null then
        raise exception using errcode = 'SQ003', message = 'task_types: expected 1 to 1000 names';
    end if;
    if want is null or want not between 0 and 1000 then
        raise exception using errcode = 'SQ003', message = 'want: expected 0 to 1000';
    end if;
end $$;
