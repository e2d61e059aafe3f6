-- Stops jobs of which a task ended without having completed: skips what waits, and asks what runs to stop, as a cancel does. What ends
-- as cancelled from now on is skipped too (supaqueue_end_leases). The caller holds the jobs' locks.
create or replace function supaqueue_stop_graphs(job_ids uuid[], at_once timestamptz) returns void
language plpgsql
set search_path from current
as $$
declare
    skipped uuid[];
begin
    update jobs j set stopped = true, cancel_requested_at = coalesce(j.cancel_requested_at, at_once)
    from unnest(job_ids) as g (job_id)
    cross join lateral (select b.ctid as place from jobs b where b.job_id = g.job_id offset 0) as before
    where j.ctid = before.place;
    with moved as (
        update job_tasks t set status = 'cancelled', skipped = true, position = null, finished_at = at_once
        from unnest(job_ids) as g (job_id)
        cross join lateral (select b.ctid as place, b.status from job_tasks b where b.job_id = g.job_id offset 0) as before
        where t.ctid = before.place and before.status in ('pending', 'blocked')
        returning t.job_id
    )
    select array_agg(m.job_id) into skipped from moved m;
    perform supaqueue_count_skipped(skipped, 1, at_once);
end $$;
