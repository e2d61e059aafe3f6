-- A failed task as readers see it, without its payload.
create or replace function supaqueue_dead_letter(t job_tasks) returns jsonb
language sql stable
set search_path from current
return jsonb_build_object('job_id', (t).job_id, 'task_number', (t).task_number, 'lease_token', (t).lease_token,
    'queue', (t).queue, 'task_type', (t).task_type, 'error', (t).error, 'parked', (t).parked, 'attempts', (t).attempts,
    'lost_leases', (t).lost_leases, 'failed_at', (t).finished_at);
