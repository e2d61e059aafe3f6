-- Whether supaqueue_open_mark needs the lowest visible entry: at a worker's first claim, and once more soon after.
create or replace function supaqueue_mark_is_new(mark job_claim_mark, xmin bigint) returns boolean
language sql immutable
set search_path from current
return (mark).at is null or coalesce(xmin >= (mark).fresh_xmax, false);
