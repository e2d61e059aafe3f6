-- A job as a parity check sees it: an array in the order of observe_jobs_v1's columns. Times are microseconds since 1970.
create or replace function supaqueue_observation(j jobs, t job_tasks, s job_tasks) returns jsonb
language sql stable
set search_path from current
return jsonb_build_array((j).job_id, (j).task_type, (j).owner, (j).epoch, (j).status, (j).mirror_state,
    (extract(epoch from (j).created_at) * 1000000)::bigint,
    case when (t).run_at > (j).created_at then (extract(epoch from (t).run_at) * 1000000)::bigint end,
    (extract(epoch from (j).finished_at) * 1000000)::bigint,
    -- What was never leased never started. Of many attempts not all are kept.
    case when (t).lease_token > 0 then greatest((t).attempts, ((t).status = 'processing')::integer + (
        select count(*) from job_task_attempts a
        where a.job_id = (t).job_id and a.task_number = (t).task_number and a.started_at is not null)) else 0 end,
    (t).payload,
    (t).result, (t).error, (t).attempts,
    case when (j).owner_outcome is not null then (j).owner_outcome || jsonb_build_object('ended_at',
        (extract(epoch from coalesce(((j).owner_outcome ->> 'ended_at')::timestamptz, (j).owner_ended_at)) * 1000000)::bigint) end,
    case when (s).job_id is not null then jsonb_build_object('status', (s).status, 'result', (s).result, 'error', (s).error,
        'attempts', (s).attempts, 'ended_at', (extract(epoch from (s).finished_at) * 1000000)::bigint) end);
