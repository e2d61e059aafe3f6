-- A legacy worker asks before it runs a job that was handed over: `started` if legacy owns it under exactly this epoch, now or when
-- it asked before; `stale` if it does not, or the job was taken back or has ended; `unknown` if there is none. Once started it is not taken back.
create or replace function start_legacy_v1(jobs jsonb, contract_version integer) returns jsonb
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
    perform supaqueue_check_rows('jobs[%s]', jobs, '{"job_id": "a UUID", "epoch": "0 to 2147483647"}', array['job_id', 'epoch']);
    perform supaqueue_lock_jobs(array(select (e ->> 'job_id')::uuid from jsonb_array_elements(start_legacy_v1.jobs) as e));
    update jobs j set legacy_started_at = clock_timestamp(),
        mirror_state = case j.mirror_state when 'release_due' then 'released' else j.mirror_state end
    from jsonb_to_recordset(start_legacy_v1.jobs) as g (job_id uuid, epoch integer)
    cross join lateral (select b.ctid as place, b.* from jobs b where b.job_id = g.job_id offset 0) as before
    where j.ctid = before.place and before.owner = 'legacy' and before.epoch = g.epoch and before.legacy_started_at is null
        and before.owner_ended_at is null and before.abandoned_at is null and before.mirror_state <> 'takeover_due';
    return (
        select coalesce(jsonb_agg(jsonb_build_object('job_id', g.job_id, 'answer', case
            when j.job_id is null then 'unknown'
            when j.owner = 'legacy' and j.epoch = g.epoch and j.legacy_started_at is not null then 'started'
            else 'stale' end) order by g.n), '[]')
        from rows from (jsonb_to_recordset(start_legacy_v1.jobs) as (job_id uuid, epoch integer))
            with ordinality as g (job_id, epoch, n)
        left join lateral (select * from jobs b where b.job_id = g.job_id offset 0) as j on true
    );
end $$;
