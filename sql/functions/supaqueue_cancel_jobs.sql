-- Ends the waiting tasks of jobs and asks for the end of the running ones. Leaves ended and foreign-owned jobs alone.
create or replace function supaqueue_cancel_jobs(given_ids uuid[]) returns void
language plpgsql
set search_path from current
as $$
declare
    at_once timestamptz;
    ended uuid[];
    none integer[];
begin
    perform supaqueue_lock_jobs(given_ids);
    at_once := clock_timestamp();
    update jobs set cancel_requested_at = at_once
    where job_id = any (given_ids) and status in ('pending', 'processing') and cancel_requested_at is null;
    with stopped as (
        update job_tasks t set status = 'cancelled', position = null, finished_at = at_once
        from jobs j
        where t.job_id = any (given_ids) and t.status in ('pending', 'blocked') and j.job_id = t.job_id
            and j.status in ('pending', 'processing')
        returning t.job_id, t.purpose
    )
    select array_agg(job_id) filter (where purpose = 'run') into ended from stopped;
    if ended is not null then
        none := array_fill(0, array[cardinality(ended)]);
        perform supaqueue_count_tasks(ended, none, array_fill(-1, array[cardinality(ended)]), none,
            array_fill(1, array[cardinality(ended)]), at_once);
    end if;
end $$;
