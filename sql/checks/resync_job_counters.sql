-- Counts the tasks of jobs again and mends the jobs whose counters or status are not what follows from them, up to 10,000 in
-- one run. Safe at any time and any number of times: it locks the jobs as every call does, then looks again.
--   psql "$SUPABASE_DB_URL" -f sql/checks/resync_job_counters.sql
do $$
declare
    suspects uuid[];
    mended integer := 0;
    drift record;
begin
    perform supaqueue_check_call((contract_version_v1() ->> 'newest')::integer);
    select array_agg(job_id) into suspects
    from (select job_id from supaqueue_job_drift(null) limit 10000) as found;
    if suspects is not null then
        perform supaqueue_lock_jobs(suspects);
        select array_agg(d.job_id) as job_ids, array_agg(d.active) as active, array_agg(d.unfinished) as unfinished,
            array_agg(d.failed) as failed, array_agg(d.cancelled) as cancelled, count(*) as jobs
        into drift from supaqueue_job_drift(suspects) as d;
        update jobs j set task_count = d.tasks
        from supaqueue_job_drift(suspects) as d where j.job_id = d.job_id;
        perform supaqueue_count_tasks(drift.job_ids, drift.active, drift.unfinished, drift.failed, drift.cancelled,
            clock_timestamp());
        mended := drift.jobs;
    end if;
    raise notice 'jobs mended: %', mended;
    if cardinality(suspects) = 10000 then
        raise notice 'there may be more: run this again';
    end if;
end $$;
