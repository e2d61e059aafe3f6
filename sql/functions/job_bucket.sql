-- The bucket is the last 14 bits of the id; an id whose last bits are none is refused by the check on jobs.bucket.
create or replace function job_bucket(job_id uuid) returns integer
language sql immutable strict parallel safe
set search_path from current
return (('x' || right(job_id::text, 4))::bit(16)::integer & 16383);
