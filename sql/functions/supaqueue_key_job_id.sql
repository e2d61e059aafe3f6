-- The id of the one job of a type that has this idempotency key: the same at each call, and the same that clients make of it.
create or replace function supaqueue_key_job_id(of_type text, key text) returns uuid
language plpgsql immutable parallel safe
set search_path from current
as $$
declare
    hash text := encode(sha256(convert_to(of_type || ':' || key, 'UTF8')), 'hex');
begin
    return supaqueue_job_id(left(hash, 32), (('x' || left(hash, 8))::bit(32)::bigint * 10000 >> 32)::integer);
end $$;
