-- Takes back enqueues whose answer was lost. Repeatable: per job `abandoned` (it was not here: a tombstone is, so that a late
-- insert conflicts; so it is if its deadline passed before any lease), `cancelled` (it was waiting), or `started` (some lease of
-- it exists or ended with a start, or it has changed another job). One that another job stands for becomes a tombstone.
create or replace function abandon_jobs_v1(job_ids uuid[], contract_version integer) returns jsonb
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
    unstarted uuid[];
    expired uuid[];
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_job_ids(abandon_jobs_v1.job_ids);
    loop
        insert into jobs (job_id, bucket, status, task_count, unfinished_tasks, abandoned_at, finished_at)
        select g.job_id, job_bucket(g.job_id), 'cancelled', 0, 0, clock_timestamp(), clock_timestamp()
        from (select distinct u.job_id from unnest(abandon_jobs_v1.job_ids) as u (job_id)) as g order by g.job_id
        on conflict do nothing;
        perform supaqueue_lock_jobs(abandon_jobs_v1.job_ids);
        -- One that was here when the insert met it may have been pruned before it was locked: then it gets its tombstone.
        exit when not exists (
            select from unnest(abandon_jobs_v1.job_ids) as g (job_id)
            where not exists (select from jobs j where j.job_id = g.job_id offset 0));
    end loop;

    select array_agg(distinct g.job_id) filter (where j.status <> 'failed'),
        array_agg(distinct g.job_id) filter (where j.status = 'failed')
    into unstarted, expired
    from unnest(abandon_jobs_v1.job_ids) as g (job_id)
    cross join lateral (select j.status from jobs j where j.job_id = g.job_id offset 0) as j
    where j.status in ('pending', 'cancelled', 'failed') and not exists (
        select from job_task_attempts a where a.job_id = g.job_id and a.outcome <> 'not_started' offset 0);
    update jobs j set abandoned_at = clock_timestamp()
    from unnest(unstarted) as g (job_id)
    cross join lateral (select b.ctid as place, b.abandoned_at from jobs b where b.job_id = g.job_id offset 0) as before
    where j.ctid = before.place and before.abandoned_at is null;
    perform supaqueue_cancel_jobs(unstarted);
    perform supaqueue_bury_jobs(expired);
    update jobs j set status = 'cancelled', content_hash = null, tags = '{}', tenant = null, deduped_into = null, deduped_as = null,
        abandoned_at = clock_timestamp()
    from unnest(abandon_jobs_v1.job_ids) as g (job_id)
    cross join lateral (select b.ctid as place, b.deduped_as from jobs b where b.job_id = g.job_id offset 0) as before
    where j.ctid = before.place and before.deduped_as = 'deduplicated';
    perform supaqueue_take_back(abandon_jobs_v1.job_ids);
    -- Of mirrors only what was taken back, now or by a cancel before, is told to legacy as an end.
    update jobs j set abandoned_at = clock_timestamp()
    from unnest(abandon_jobs_v1.job_ids) as g (job_id)
    cross join lateral (select b.ctid as place, b.* from jobs b where b.job_id = g.job_id offset 0) as before
    where j.ctid = before.place and before.status = 'mirrored' and before.mirror_state in ('end_due', 'settled')
        and before.abandoned_at is null;

    return (
        select coalesce(jsonb_agg(jsonb_build_object('job_id', g.job_id, 'answer', case
            when j.abandoned_at is null then 'started'
            when j.content_hash is null then 'abandoned'
            else 'cancelled' end) order by g.n), '[]')
        from unnest(abandon_jobs_v1.job_ids) with ordinality as g (job_id, n)
        cross join lateral (select * from jobs j where j.job_id = g.job_id offset 0) as j
    );
end $$;
