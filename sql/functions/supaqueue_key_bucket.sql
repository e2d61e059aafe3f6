-- The bucket of a key: of what routes by tenant, and of a recurring job. The same key has the same one for ever.
create or replace function supaqueue_key_bucket(key text) returns integer
language sql stable strict parallel safe
set search_path from current
as $$
    select (('x' || encode(substr(sha256(convert_to(salt || ':' || key, 'UTF8')), 1, 4), 'hex'))::bit(32)::bigint * 10000 >> 32)::integer
    from job_settings
$$;
