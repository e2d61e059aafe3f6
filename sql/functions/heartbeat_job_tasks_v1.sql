-- Renews leases and says that a worker is alive. Fenced and repeatable: per task `held`, `cancel` (held, and its job's cancel
-- was asked for) or `lost`. An expired lease that nobody took over is held again, but none for long after its task's timeout.
-- `started`: tasks whose handlers have begun. A row of `tasks` may bring `progress`: (number, percent, message, checkpoint).
create or replace function heartbeat_job_tasks_v1(
    worker_id text, tasks jsonb, started jsonb, lease_seconds double precision, contract_version integer
) returns jsonb
language plpgsql security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    at_once timestamptz;
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_lease(lease_seconds);
    perform supaqueue_check_progress(tasks);
    perform supaqueue_check_leases('started', started);
    perform supaqueue_lock_jobs(array(select (e ->> 'job_id')::uuid from jsonb_array_elements(tasks || started) as e));
    perform supaqueue_start_job_tasks(started, worker_id);
    perform supaqueue_record_progress(tasks, worker_id);
    at_once := clock_timestamp();
    update job_tasks t set last_heartbeat = at_once, lease_expires_at = supaqueue_lease_end(
        at_once + make_interval(secs => lease_seconds), at_once, t.started_at, t.timeout, t.deadline_at)
    from jsonb_to_recordset(tasks) as g (job_id uuid, task_number smallint, lease_token bigint)
    cross join lateral (
        select b.ctid as place, b.status, b.lease_token, b.worker_id from job_tasks b
        where b.job_id = g.job_id and b.task_number = g.task_number offset 0
    ) as before
    where t.ctid = before.place and before.lease_token = g.lease_token and before.status in ('claimed', 'processing')
        and before.worker_id = heartbeat_job_tasks_v1.worker_id;
    update job_workers w set last_seen_at = at_once where w.worker_id = heartbeat_job_tasks_v1.worker_id;
    return jsonb_build_object('tasks', (
        select coalesce(jsonb_agg(jsonb_build_object('job_id', g.job_id, 'task_number', g.task_number,
            'lease_token', g.lease_token, 'answer', case
                when t.is_held is not true then 'lost'
                when j.cancel_requested_at is not null then 'cancel'
                else 'held' end) order by g.n), '[]')
        from rows from (
            jsonb_to_recordset(tasks) as (job_id uuid, task_number smallint, lease_token bigint)
        ) with ordinality as g (job_id, task_number, lease_token, n)
        left join lateral (
            select t.lease_token = g.lease_token and t.status in ('claimed', 'processing')
                and t.worker_id = heartbeat_job_tasks_v1.worker_id as is_held
            from job_tasks t
            where t.job_id = g.job_id and t.task_number = g.task_number offset 0
        ) as t on true
        left join lateral (select j.cancel_requested_at from jobs j where j.job_id = g.job_id offset 0) as j on true
    ));
end $$;
