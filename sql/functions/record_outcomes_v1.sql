-- Notes how legacy ended jobs that it owns. Repeatable, the first outcome stays: per job `recorded`, `not_owner` (legacy does not own
-- it under this epoch), or `unknown` (its mirror has not come yet: try again after it).
create or replace function record_outcomes_v1(outcomes jsonb, contract_version integer) returns jsonb
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
    perform supaqueue_check_outcomes(outcomes);
    perform supaqueue_lock_jobs(array(select (e ->> 'job_id')::uuid from jsonb_array_elements(outcomes) as e));
    update jobs j set owner_outcome = g.element - 'job_id' - 'epoch', owner_ended_at = clock_timestamp(),
        mirror_state = case j.mirror_state when 'release_due' then 'released' when 'takeover_due' then 'none' else j.mirror_state end
    from (
        select distinct on (job_id) (element ->> 'job_id')::uuid as job_id, (element ->> 'epoch')::integer as epoch, element
        from jsonb_array_elements(outcomes) with ordinality as e (element, n) order by job_id, n
    ) as g
    cross join lateral (select b.ctid as place, b.* from jobs b where b.job_id = g.job_id offset 0) as before
    where j.ctid = before.place and before.owner = 'legacy' and before.epoch = g.epoch and before.owner_ended_at is null;
    return (
        select coalesce(jsonb_agg(jsonb_build_object('job_id', g.job_id, 'answer', case
            when j.job_id is null then 'unknown'
            when j.owner = 'legacy' and j.epoch = g.epoch and j.owner_ended_at is not null then 'recorded'
            else 'not_owner' end) order by g.n), '[]')
        from rows from (jsonb_to_recordset(outcomes) as (job_id uuid, epoch integer)) with ordinality as g (job_id, epoch, n)
        left join lateral (select * from jobs b where b.job_id = g.job_id offset 0) as j on true
    );
end $$;
