-- Opens again what was skipped because of tasks that were just replayed, unless it is behind another task that ended without having
-- completed: it would wait for that for ever. Of a job that stops as a whole nothing opens while there is such a task. What ran when
-- its job was stopped gets as many attempts as it had, as a replay does. The caller holds the jobs' locks.
create or replace function supaqueue_open_skipped_tasks(job_ids uuid[], at_once timestamptz) returns void
language plpgsql
set search_path from current
as $$
declare
    graphs uuid[];
    opened uuid[];
begin
    select array_agg(distinct g.job_id) into graphs from unnest(job_ids) as g (job_id)
    cross join lateral (select b.on_failure from jobs b where b.job_id = g.job_id offset 0) as j
    where j.on_failure in ('fail', 'skip');
    if graphs is null then
        return;
    end if;
    update jobs j set stopped = false
    from unnest(graphs) as g (job_id)
    cross join lateral (select b.ctid as place, b.stopped from jobs b where b.job_id = g.job_id offset 0) as before
    where j.ctid = before.place and before.stopped;

    with recursive dead as materialized (
        select t.job_id, t.task_number, t.runs_before, j.on_failure
        from unnest(graphs) as g (job_id)
        cross join lateral (select b.on_failure from jobs b where b.job_id = g.job_id offset 0) as j
        cross join lateral (select * from job_tasks b where b.job_id = g.job_id offset 0) as t
        where t.status = 'failed' or t.status = 'cancelled' and not t.skipped
    ), behind as (
        select d.job_id, c.task_number from dead d cross join lateral unnest(d.runs_before) as c (task_number)
        where d.on_failure = 'skip'
        union
        select t.job_id, c.task_number
        from behind g
        cross join lateral (
            select b.job_id, b.runs_before from job_tasks b where b.job_id = g.job_id and b.task_number = g.task_number offset 0
        ) as t
        cross join lateral unnest(t.runs_before) as c (task_number)
    ), moved as (
        update job_tasks t
        set status = case when o.opens then 'pending' else 'blocked' end, skipped = false, position = o.position, run_at = at_once,
            deadline_at = null, started_at = null, finished_at = null, parked = false,
            max_attempts = t.attempts + t.max_attempts - t.attempts_before_replay, attempts_before_replay = t.attempts,
            replayed_lease_token = case when t.lease_token > 0 then t.lease_token else t.replayed_lease_token end,
            lost_leases = least(t.lost_leases, 2)
        from (
            select s.*, case when s.opens then nextval('job_task_position') end as position
            from (
                select t.place, t.waits_for = 0 as opens
                from unnest(graphs) as g (job_id)
                cross join lateral (
                    select b.ctid as place, b.job_id, b.task_number, b.waits_for, b.skipped from job_tasks b
                    where b.job_id = g.job_id offset 0
                ) as t
                where t.skipped
                    and not exists (select from dead d where d.job_id = g.job_id and d.on_failure = 'fail')
                    and (t.job_id, t.task_number) not in (select b.job_id, b.task_number from behind b)
                order by t.job_id, t.task_number
            ) as s
        ) as o
        where t.ctid = o.place
        returning t.job_id
    )
    select array_agg(m.job_id) into opened from moved m;
    perform supaqueue_count_skipped(opened, -1, at_once);
end $$;
