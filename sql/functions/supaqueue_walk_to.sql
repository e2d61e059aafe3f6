-- Where the look behind ends in this claim: a thirty-second of what lies between floor and `at`, within bounds.
create or replace function supaqueue_walk_to(mark job_claim_mark, least_step bigint, most_step bigint) returns bigint
language sql immutable
set search_path from current
return least((mark).at,
    (mark).walk + least(greatest(((mark).at - (mark).floor) / 32, least_step), most_step));
