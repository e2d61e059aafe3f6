-- Takes back enqueues whose answer was lost. Repeatable: per job `abandoned` (it was not here: a tombstone is, so that a late
-- insert conflicts), `cancelled` (it was waiting), or `started` (some lease of it exists or ended with a start).
create or replace function abandon_jobs_v1(job_ids uuid[], contract_version integer) returns jsonb
language plpgsql security definer
set search_path from current
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
#variable_conflict use_column
declare
    unstarted uuid[];
begin
    perform supaqueue_check_call(contract_version);
    perform supaqueue_check_job_ids(abandon_jobs_v1.job_ids);
    insert into jobs (job_id, bucket, status, task_count, unfinished_tasks, abandoned_at, finished_at)
    select g.job_id, job_bucket(g.job_id), 'cancelled', 0, 0, clock_timestamp(), clock_timestamp()
    from (select distinct u.job_id from unnest(abandon_jobs_v1.job_ids) as u (job_id)) as g order by g.job_id
    on conflict do nothing;

    perform supaqueue_lock_jobs(abandon_jobs_v1.job_ids);
    select array_agg(j.job_id) into unstarted from jobs j
    where j.job_id = any (abandon_jobs_v1.job_ids) and j.status in ('pending', 'cancelled') and not exists (
        select from job_task_attempts a where a.job_id = j.job_id and a.outcome <> 'not_started');
    update jobs set abandoned_at = clock_timestamp() where job_id = any (unstarted) and abandoned_at is null;
    perform supaqueue_cancel_jobs(unstarted);

    return (
        select coalesce(jsonb_agg(jsonb_build_object('job_id', g.job_id, 'answer', case
            when j.abandoned_at is null then 'started'
            when j.content_hash is null then 'abandoned'
            else 'cancelled' end) order by g.n), '[]')
        from unnest(abandon_jobs_v1.job_ids) with ordinality as g (job_id, n)
        join jobs j using (job_id)
    );
end $$;
