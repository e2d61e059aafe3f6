-- Forgets dead letters for good, with the job that each is of: each as (job_id, task_number, lease_token), the token being
-- that under which it failed. A tombstone stays, so that a late repeat of the enqueue conflicts. Repeatable: per task `dropped`
-- (now or before), `not_failed` (it did not fail under that token), `unfinished` (another task of its job goes on) or `unknown`.
create or replace function drop_dead_letters_v1(tasks jsonb, contract_version integer) returns jsonb
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
    unwanted uuid[];
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_leases('tasks', tasks);
    if jsonb_array_length(tasks) > 10000 then
        raise exception using errcode = 'SQ003', message = 'tasks: expected at most 10000 in one call';
    end if;
    perform supaqueue_lock_jobs(array(select (e ->> 'job_id')::uuid from jsonb_array_elements(tasks) as e));
    select array_agg(distinct g.job_id) into unwanted
    from jsonb_to_recordset(tasks) as g (job_id uuid, task_number smallint, lease_token bigint)
    cross join lateral (select j.unfinished_tasks from jobs j where j.job_id = g.job_id offset 0) as j
    cross join lateral (
        select t.status, t.lease_token, t.purpose from job_tasks t
        where t.job_id = g.job_id and t.task_number = g.task_number offset 0
    ) as t
    where j.unfinished_tasks = 0 and t.status = 'failed' and t.lease_token = g.lease_token and t.purpose = 'run';
    perform supaqueue_bury_jobs(unwanted);
    return (
        select coalesce(jsonb_agg(jsonb_build_object('job_id', g.job_id, 'task_number', g.task_number,
            'lease_token', g.lease_token, 'answer', case
                when j.job_id is not null and j.content_hash is null then 'dropped'
                when t.status is null then 'unknown'
                when t.status = 'failed' and t.lease_token = g.lease_token and t.purpose = 'run' then 'unfinished'
                else 'not_failed' end) order by g.n), '[]')
        from rows from (
            jsonb_to_recordset(tasks) as (job_id uuid, task_number smallint, lease_token bigint)
        ) with ordinality as g (job_id, task_number, lease_token, n)
        left join lateral (select j.job_id, j.content_hash from jobs j where j.job_id = g.job_id offset 0) as j on true
        left join lateral (
            select t.status, t.lease_token, t.purpose from job_tasks t
            where t.job_id = g.job_id and t.task_number = g.task_number offset 0
        ) as t on true
    );
end $$;
