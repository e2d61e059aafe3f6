-- What the end of tasks means for the other tasks of their jobs, by each job's `on_failure`: the one place where a task that waits for
-- others is let go on, or skipped. The tasks given have just ended and are counted; the caller holds their jobs' locks. What is
-- skipped is skipped first: it goes on no more, whoever else lets it.
create or replace function supaqueue_go_on(job_ids uuid[], task_numbers smallint[], at_once timestamptz) returns void
language plpgsql
set search_path from current
as $$
declare
    failed record;
    opened uuid[];
begin
    select array_agg(distinct t.job_id) filter (where j.on_failure = 'fail' and not j.stopped) as to_stop,
        array_agg(t.job_id) filter (where j.on_failure = 'skip') as job_ids,
        array_agg(t.task_number) filter (where j.on_failure = 'skip') as task_numbers
    into failed
    from unnest(job_ids, task_numbers) as g (job_id, task_number)
    cross join lateral (
        select b.job_id, b.task_number, b.status from job_tasks b where b.job_id = g.job_id and b.task_number = g.task_number offset 0
    ) as t
    cross join lateral (select b.on_failure, b.stopped from jobs b where b.job_id = g.job_id offset 0) as j
    where t.status <> 'completed';
    if failed.to_stop is not null then
        perform supaqueue_stop_graphs(failed.to_stop, at_once);
    end if;
    if failed.job_ids is not null then
        perform supaqueue_skip_tasks_behind(failed.job_ids, failed.task_numbers, at_once);
    end if;

    with let_go as (
        select g.job_id, c.task_number, count(*)::integer as number
        from unnest(job_ids, task_numbers) as g (job_id, task_number)
        cross join lateral (select b.on_failure from jobs b where b.job_id = g.job_id offset 0) as j
        cross join lateral (
            select b.status, b.runs_before, b.replayed_lease_token from job_tasks b
            where b.job_id = g.job_id and b.task_number = g.task_number offset 0
        ) as t
        cross join lateral unnest(t.runs_before) as c (task_number)
        -- What let them go on although it failed, and was replayed, has no say any more.
        where case j.on_failure when 'continue' then t.replayed_lease_token is null else t.status = 'completed' end
        group by g.job_id, c.task_number
    ), moved as (
        -- Two before it may have ended in one batch: each task is moved once.
        update job_tasks t
        set waits_for = t.waits_for - d.number, status = case when d.opens then 'pending' else t.status end,
            position = d.position, run_at = case when d.opens then at_once else t.run_at end,
            -- Claims look for deadlines from where the clock was at their last look.
            deadline_at = case when d.opens then greatest(t.deadline_at, case when t.deadline_at is not null then at_once end)
                else t.deadline_at end
        from (
            select o.*, case when o.opens then nextval('job_task_position') end as position
            from (
                select l.number, before.place, before.status = 'blocked' and before.waits_for = l.number as opens
                from let_go l
                cross join lateral (
                    select b.ctid as place, b.status, b.skipped, b.waits_for from job_tasks b
                    where b.job_id = l.job_id and b.task_number = l.task_number offset 0
                ) as before
                where before.status = 'blocked' or before.skipped
                order by l.job_id, l.task_number
            ) as o
        ) as d
        where t.ctid = d.place
        returning t.job_id, d.opens
    )
    select array_agg(distinct m.job_id) filter (where m.opens) into opened from moved m;
    perform supaqueue_hand_back(opened);
end $$;
