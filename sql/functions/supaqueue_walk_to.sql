-- Where the look behind ends in this claim: an eighth of what lies between floor and `at`, so that the floor keeps up with any
-- number of workers. Within bounds, which are wider once what it passes will be behind the floor: that is walked but once.
create or replace function supaqueue_walk_to(mark job_claim_mark, least_step bigint, most_step bigint) returns bigint
language sql immutable
set search_path from current
return least((mark).at, (mark).walk + least(greatest(((mark).at - (mark).floor) / 8, least_step),
    case when (mark).settled then 16 else 1 end * most_step));
