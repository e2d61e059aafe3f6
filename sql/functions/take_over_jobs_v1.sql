-- The first step of taking jobs over from legacy: notes that they are to come (`takeover_due`), and stores those that are not here
-- yet. The relay then wins their run marker there for good, and opens them here (open_taken_over_jobs_v1). Repeatable: per job
-- `due`, `not_owner` (it is Supabase's already), `started` (legacy runs it under this epoch), `ended`, or `changed` (it is under
-- another epoch, or on its way to legacy).
create or replace function take_over_jobs_v1(jobs jsonb, contract_version integer) returns jsonb
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
    perform supaqueue_check_taken_over(take_over_jobs_v1.jobs);
    perform pg_current_xact_id();
    at_once := clock_timestamp();
    perform supaqueue_store_jobs((
        select jsonb_agg((e - 'epoch') || '{"owner": "legacy"}') from jsonb_array_elements(take_over_jobs_v1.jobs) as e
    ), at_once);
    perform supaqueue_lock_jobs(array(select (e ->> 'job_id')::uuid from jsonb_array_elements(take_over_jobs_v1.jobs) as e));
    update jobs j set mirror_state = 'takeover_due'
    from jsonb_to_recordset(take_over_jobs_v1.jobs) as g (job_id uuid, epoch integer)
    cross join lateral (select b.ctid as place, b.* from jobs b where b.job_id = g.job_id offset 0) as before
    where j.ctid = before.place and before.owner = 'legacy' and before.epoch = coalesce(g.epoch, 0)
        and before.mirror_state in ('none', 'released') and before.legacy_started_at is null
        and before.owner_ended_at is null and before.abandoned_at is null;
    return (
        select coalesce(jsonb_agg(jsonb_build_object('job_id', g.job_id, 'answer', case
            when j.owner = 'supabase' then 'not_owner'
            when j.owner_ended_at is not null or j.abandoned_at is not null then 'ended'
            when j.epoch <> coalesce(g.epoch, 0) then 'changed'
            when j.mirror_state = 'takeover_due' then 'due'
            when j.legacy_started_at is not null then 'started'
            else 'changed' end) order by g.n), '[]')
        from rows from (jsonb_to_recordset(take_over_jobs_v1.jobs) as (job_id uuid, epoch integer))
            with ordinality as g (job_id, epoch, n)
        cross join lateral (select * from jobs b where b.job_id = g.job_id offset 0) as j
    );
end $$;
