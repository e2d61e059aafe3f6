-- Reports what handlers came to. Fenced by (task, lease token, worker) and repeatable: per task `recorded` with the status the task
-- took then, `lost` if the lease is no longer that worker's, `unknown` if there is no such task.
create or replace function finish_job_tasks_v1(worker_id text, tasks jsonb, contract_version integer) returns jsonb
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
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_endings(tasks);
    perform supaqueue_lock_jobs(array(select (e ->> 'job_id')::uuid from jsonb_array_elements(tasks) as e));
    perform supaqueue_record_progress(tasks, worker_id);
    perform supaqueue_end_leases(tasks, worker_id);
    return (
        select coalesce(jsonb_agg(jsonb_build_object('job_id', g.job_id, 'task_number', g.task_number,
            'lease_token', g.lease_token, 'answer', case
                when t.job_id is null then 'unknown'
                when a.outcome is null or a.outcome = 'lease_lost' then 'lost'
                else 'recorded' end,
            'status', case when a.outcome <> 'lease_lost' then a.status_after end,
            'retry_in_seconds', case when a.outcome = 'retry' and a.status_after = 'pending' and t.status = 'pending'
                then greatest(0, extract(epoch from t.run_at - clock_timestamp())) end) order by g.n), '[]')
        from rows from (
            jsonb_to_recordset(tasks) as (job_id uuid, task_number smallint, lease_token bigint)
        ) with ordinality as g (job_id, task_number, lease_token, n)
        left join lateral (
            select t.job_id, t.status, t.run_at from job_tasks t
            where t.job_id = g.job_id and t.task_number = g.task_number offset 0
        ) as t on true
        left join lateral (
            select a.outcome, a.status_after from job_task_attempts a
            where a.job_id = g.job_id and a.task_number = g.task_number and a.lease_token = g.lease_token
                and a.worker_id = finish_job_tasks_v1.worker_id offset 0
        ) as a on true
    );
end $$;
