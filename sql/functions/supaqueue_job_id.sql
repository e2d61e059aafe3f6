-- 32 hexadecimal digits as the id of a job: version and variant of a UUIDv7, and the bucket as its last 14 bits.
create or replace function supaqueue_job_id(digits text, bucket integer) returns uuid
language sql immutable parallel safe
set search_path from current
return (left(digits, 12) || '7' || substr(digits, 14, 3)
    || to_hex((B'10' || substring(('x' || substr(digits, 17, 16))::bit(64) from 3 for 48) || bucket::bit(14))::bit(64)::bigint))::uuid;
