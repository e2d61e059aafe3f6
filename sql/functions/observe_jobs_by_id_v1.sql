-- What this system knows of these jobs: as observe_jobs_v1, a row per job that is here, in no order that counts.
create or replace function observe_jobs_by_id_v1(job_ids uuid[], contract_version integer) returns jsonb
language plpgsql stable security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_job_ids(job_ids);
    return (
        select supaqueue_observed(coalesce(jsonb_agg(supaqueue_observation(j.job, t.task, s.shadow)), '[]'))
        from (select distinct b.job_id from unnest(job_ids) as b (job_id)) as g
        cross join lateral (select b as job from jobs b where b.job_id = g.job_id offset 0) as j
        left join lateral (
            select b as task from job_tasks b where b.job_id = g.job_id and b.task_number = 0 offset 0
        ) as t on true
        left join lateral (
            select b as shadow from job_tasks b
            where b.job_id = g.job_id and b.task_number = 1 and b.purpose = 'shadow' offset 0
        ) as s on true
    );
end $$;
