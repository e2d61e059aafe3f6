-- Rows of supaqueue_observation with the names of what they hold, and the database's time in microseconds since 1970.
create or replace function supaqueue_observed(observations jsonb) returns jsonb
language sql stable
set search_path from current
return jsonb_build_object('observed_at', (extract(epoch from clock_timestamp()) * 1000000)::bigint, 'columns', jsonb_build_array(
    'job_id', 'task_type', 'owner', 'epoch', 'status', 'mirror_state', 'created_at', 'run_at', 'finished_at', 'started',
    'payload', 'result', 'error', 'attempts', 'owner_outcome', 'shadow'), 'rows', observations);
