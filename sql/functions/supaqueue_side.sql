-- One side of a cohort as an array: jobs, keys, known, failed, failed_keys.
create or replace function supaqueue_side(s job_cohort_side) returns json
language sql immutable strict parallel safe
set search_path from current
return json_build_array((s).jobs, (s).keys, (s).known, (s).failed, (s).failed_keys);
