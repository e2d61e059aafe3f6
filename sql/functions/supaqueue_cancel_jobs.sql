-- Ends the waiting tasks of jobs and asks for the end of the running ones. Leaves ended and foreign-owned jobs alone.
create or replace function supaqueue_cancel_jobs(given_ids uuid[]) returns void
language plpgsql
set search_path from current
as $$
declare
    at_once timestamptz;
    open_ids uuid[];
    ended uuid[];
    none integer[];
begin
    perform supaqueue_lock_jobs(given_ids);
    at_once := clock_timestamp();
    select array_agg(distinct g.job_id) into open_ids
    from unnest(given_ids) as g (job_id)
    cross join lateral (select j.status from jobs j where j.job_id = g.job_id offset 0) as j
    where j.status in ('pending', 'processing');

    update jobs j set cancel_requested_at = at_once
    from unnest(open_ids) as g (job_id)
    cross join lateral (
        select b.ctid as place, b.cancel_requested_at from jobs b where b.job_id = g.job_id offset 0
    ) as before
    where j.ctid = before.place and before.cancel_requested_at is null;
    with stopped as (
        update job_tasks t set status = 'cancelled', position = null, finished_at = at_once
        from unnest(open_ids) as g (job_id)
        cross join lateral (
            select b.ctid as place, b.status from job_tasks b where b.job_id = g.job_id offset 0
        ) as before
        where t.ctid = before.place and before.status in ('pending', 'blocked')
        returning t.job_id, t.purpose
    )
    select array_agg(job_id) filter (where purpose = 'run') into ended from stopped;
    if ended is not null then
        none := array_fill(0, array[cardinality(ended)]);
        perform supaqueue_count_tasks(ended, none, array_fill(-1, array[cardinality(ended)]), none,
            array_fill(1, array[cardinality(ended)]), at_once);
    end if;
end $$;
