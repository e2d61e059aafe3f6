-- The answer to a repeated claim: those of its tasks that are still held. The marks stay as they were.
create or replace function supaqueue_repeated_claim(request_id uuid, worker_id text, queues text[], marks jsonb) returns jsonb
language plpgsql stable
set search_path from current
as $$
declare
    held record;
begin
    select * into held from supaqueue_held_job_tasks(request_id, worker_id, queues);
    return jsonb_build_object('tasks', held.tasks, 'marks', marks, 'alone', held.alone, 'drain', false, 'failed', '[]'::jsonb,
        'more', true, 'wait_seconds', null, 'paused', '[]'::jsonb, 'closed', '[]'::jsonb);
end $$;
