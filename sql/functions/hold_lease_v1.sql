-- Takes or renews a named right that one process holds at a time, for so many seconds: `is_held`, and by whom. A session's lock
-- would not survive a pooler. What it guards must be safe without it: a holder may be stopped for longer than its lease.
create or replace function hold_lease_v1(lease_name text, holder text, seconds double precision, contract_version integer) returns jsonb
language plpgsql security definer
set search_path from current
as $$
#variable_conflict use_column
declare
    held record;
begin
    perform supaqueue_check_call(contract_version);
    if coalesce(length(lease_name), 0) not between 1 and 200 then
        raise exception using errcode = 'SQ003', message = 'lease_name: expected 1 to 200 characters';
    elsif coalesce(length(holder), 0) not between 1 and 200 then
        raise exception using errcode = 'SQ003', message = 'holder: expected 1 to 200 characters';
    elsif seconds is null or not seconds between 0 and 3600 then
        raise exception using errcode = 'SQ003', message = 'seconds: expected 0 to 3600';
    end if;
    insert into job_leases as l (lease_name, holder, expires_at)
    values (hold_lease_v1.lease_name, hold_lease_v1.holder, clock_timestamp() + make_interval(secs => seconds))
    on conflict (lease_name) do update set holder = excluded.holder, expires_at = excluded.expires_at
    where l.holder = excluded.holder or l.expires_at <= clock_timestamp();
    select l.holder, greatest(0, extract(epoch from l.expires_at - clock_timestamp())) as seconds into held
    from job_leases l where l.lease_name = hold_lease_v1.lease_name;
    return jsonb_build_object('is_held', held.holder = hold_lease_v1.holder and held.seconds > 0, 'holder', held.holder,
        'expires_in_seconds', held.seconds);
end $$;
