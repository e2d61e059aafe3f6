-- Skips all that waits for these tasks, directly or by way of others. They ended without having completed, so whatever is behind them
-- still waits, or was skipped before with all that is behind it. The caller holds the jobs' locks.
create or replace function supaqueue_skip_tasks_behind(job_ids uuid[], task_numbers smallint[], at_once timestamptz) returns void
language plpgsql
set search_path from current
as $$
declare
    skipped uuid[];
begin
    with recursive behind as (
        select t.job_id, c.task_number
        from unnest(job_ids, task_numbers) as g (job_id, task_number)
        cross join lateral (
            select b.job_id, b.runs_before from job_tasks b where b.job_id = g.job_id and b.task_number = g.task_number offset 0
        ) as t
        cross join lateral unnest(t.runs_before) as c (task_number)
        union
        select t.job_id, c.task_number
        from behind g
        cross join lateral (
            select b.job_id, b.status, b.runs_before from job_tasks b
            where b.job_id = g.job_id and b.task_number = g.task_number offset 0
        ) as t
        cross join lateral unnest(t.runs_before) as c (task_number)
        where t.status = 'blocked'
    ), moved as (
        update job_tasks t set status = 'cancelled', skipped = true, finished_at = at_once
        from behind g
        cross join lateral (
            select b.ctid as place, b.status from job_tasks b where b.job_id = g.job_id and b.task_number = g.task_number offset 0
        ) as before
        where t.ctid = before.place and before.status = 'blocked'
        returning t.job_id
    )
    select array_agg(m.job_id) into skipped from moved m;
    perform supaqueue_count_skipped(skipped, 1, at_once);
end $$;
