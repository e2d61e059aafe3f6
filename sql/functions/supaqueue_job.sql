-- A job as readers see it, with its tasks, of several those that tell how it went; payloads (with checkpoints) and attempts only if
-- asked for. Its epoch is told if a cutover has touched it, and how legacy ended it once that is known. What its own failure stopped
-- was not asked to be cancelled.
create or replace function supaqueue_job(j jobs, with_payload boolean, with_attempts boolean) returns jsonb
language sql stable
set search_path from current
as $$
    select jsonb_build_object('job_id', (j).job_id, 'queue', (j).queue, 'task_type', (j).task_type, 'status', (j).status,
        'owner', (j).owner, 'tags', (j).tags, 'created_at', (j).created_at, 'finished_at', (j).finished_at,
        'cancel_requested', (j).cancel_requested_at is not null and not (j).stopped, 'tasks', supaqueue_job_tasks((j).job_id,
            case when (j).on_failure is not null then supaqueue_telling_tasks((j).job_id) end, with_payload, with_attempts))
        || case when (j).on_failure is not null then jsonb_build_object('on_failure', (j).on_failure, 'task_count', (j).task_count,
            'unfinished_tasks', (j).unfinished_tasks, 'failed_tasks', (j).failed_tasks, 'cancelled_tasks', (j).cancelled_tasks)
            else '{}' end
        || case when (j).owner = 'legacy' or (j).epoch > 0 then jsonb_build_object('epoch', (j).epoch) else '{}' end
        || case when (j).owner_outcome is not null then jsonb_build_object('owner_outcome',
            (j).owner_outcome || jsonb_build_object('ended_at', coalesce(
                ((j).owner_outcome ->> 'ended_at')::timestamptz, (j).owner_ended_at))) else '{}' end
$$;
