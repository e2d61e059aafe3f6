-- What every call holds to: a contract version that is spoken here, and READ COMMITTED, since each move locks in one
-- statement and decides in the next, which must see what was committed meanwhile.
create or replace function supaqueue_check_call(contract_version integer) returns void
language plpgsql stable
set search_path from current
as $$
declare
    spoken jsonb := contract_version_v1();
begin
    if contract_version is null
        or contract_version not between (spoken ->> 'oldest')::integer and (spoken ->> 'newest')::integer then
        raise exception using
            errcode = 'SQ001',
            message = format('contract version %s is not spoken here; this database speaks %s to %s',
                coalesce(contract_version::text, 'none'), spoken ->> 'oldest', spoken ->> 'newest'),
            detail = spoken::text,
            hint = 'Run "supaqueue migrate" if the SDK is newer, upgrade the SDK if the database is.';
    end if;
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception using
            errcode = 'SQ004',
            message = format('the call ran at isolation level "%s"; it needs "read committed"',
                current_setting('transaction_isolation')),
            hint = 'Remove default_transaction_isolation from the role or the transaction.';
    end if;
end $$;
