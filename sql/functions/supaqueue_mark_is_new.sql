-- Whether supaqueue_open_mark needs the lowest visible entry: for a new mark, and once more soon after. A mark beyond the top
-- is as good as none: the clock went back, or the sequence did with a restore.
create or replace function supaqueue_mark_is_new(mark job_claim_mark, top bigint, xmin bigint) returns boolean
language sql immutable
set search_path from current
return (mark).at is null or (mark).at > top or ((mark).fresh and coalesce(xmin >= (mark).settle_number, false));
