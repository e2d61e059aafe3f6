-- Notes that an attempt of legacy's has failed which another one follows. Repeatable, the first time of a job stays: per job
-- `recorded`, `not_owner` (legacy does not own it under this epoch), or `unknown` (its mirror has not come yet).
create or replace function record_first_failures_v1(failures jsonb, contract_version integer) returns jsonb
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
    perform supaqueue_check_rows('failures[%s]', failures, '{"job_id": "a UUID", "epoch": "0 to 2147483647"}', array['job_id', 'epoch']);
    perform supaqueue_lock_jobs(array(select (e ->> 'job_id')::uuid from jsonb_array_elements(failures) as e));
    update jobs j set legacy_first_failed_at = clock_timestamp()
    from (
        select distinct (element ->> 'job_id')::uuid as job_id, (element ->> 'epoch')::integer as epoch
        from jsonb_array_elements(failures) as e (element)
    ) as g
    cross join lateral (select b.ctid as place, b.* from jobs b where b.job_id = g.job_id offset 0) as before
    where j.ctid = before.place and before.owner = 'legacy' and before.epoch = g.epoch and before.legacy_first_failed_at is null;
    return (
        select coalesce(jsonb_agg(jsonb_build_object('job_id', g.job_id, 'answer', case
            when j.job_id is null then 'unknown'
            when j.owner = 'legacy' and j.epoch = g.epoch then 'recorded'
            else 'not_owner' end) order by g.n), '[]')
        from rows from (jsonb_to_recordset(failures) as (job_id uuid, epoch integer)) with ordinality as g (job_id, epoch, n)
        left join lateral (select * from jobs b where b.job_id = g.job_id offset 0) as j on true
    );
end $$;
