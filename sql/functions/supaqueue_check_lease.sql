create or replace function supaqueue_check_lease(lease_seconds double precision) returns void
language plpgsql immutable
set search_path from current
as $$
begin
    if lease_seconds is null or lease_seconds not between 1 and 86400 then
        raise exception using errcode = 'SQ003', message = 'lease_seconds: expected 1 to 86400';
    end if;
end $$;
