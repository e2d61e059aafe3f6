-- Lets dead letters run again: each as (job_id, task_number, lease_token), the token being that under which it failed, and maybe
-- delay_seconds, which spreads many over time. It gets as many attempts as it had, keeps its history and its checkpoint, and has
-- no deadline any more; what lost leases stays under suspicion. Repeatable: per task `replayed` (now or before), `not_failed` (it
-- did not fail under that token), `key_held` (by another job, and this one was unique until its end), `stopping` (its failure stopped
-- its job, and other tasks of it have not ended yet: again soon) or `unknown`. What was skipped for it is open again then.
create or replace function replay_job_tasks_v1(tasks jsonb, contract_version integer) returns jsonb
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
    perform supaqueue_check_replay(tasks);
    perform supaqueue_lock_jobs(array(select (e ->> 'job_id')::uuid from jsonb_array_elements(tasks) as e));
    perform supaqueue_replay_job_tasks(tasks);
    return (
        select coalesce(jsonb_agg(jsonb_build_object('job_id', g.job_id, 'task_number', g.task_number,
            'lease_token', g.lease_token, 'answer', case
                when t.job_id is null then 'unknown'
                when t.replayed_lease_token >= g.lease_token then 'replayed'
                when t.status = 'failed' and t.purpose = 'run' and t.lease_token = g.lease_token then case
                    when exists (select from jobs j where j.job_id = g.job_id and j.stopped and j.active_tasks > 0 offset 0)
                    then 'stopping' else 'key_held' end
                else 'not_failed' end) order by g.n), '[]')
        from rows from (
            jsonb_to_recordset(tasks) as (job_id uuid, task_number smallint, lease_token bigint)
        ) with ordinality as g (job_id, task_number, lease_token, n)
        left join lateral (
            select t.job_id, t.replayed_lease_token, t.status, t.purpose, t.lease_token from job_tasks t
            where t.job_id = g.job_id and t.task_number = g.task_number offset 0
        ) as t on true
    );
end $$;
