-- The one place where a job's counters and status change. Takes changes of counters, one element per change, adds them up per
-- job, then updates each job once, and releases the unique keys of those that ended. The caller holds the jobs' locks.
create or replace function supaqueue_count_tasks(
    job_ids uuid[], active integer[], unfinished integer[], failed integer[], cancelled integer[], at_once timestamptz
) returns void
language plpgsql
set search_path from current
as $$
declare
    ended uuid[];
begin
    with counted as (
        update jobs j
        set active_tasks = c.active, unfinished_tasks = c.unfinished, failed_tasks = c.failed, cancelled_tasks = c.cancelled,
            status = case
                when c.unfinished > 0 and (c.active > 0 or c.unfinished < j.task_count) then 'processing'
                when c.unfinished > 0 then 'pending'
                when c.failed > 0 then 'failed'
                when c.cancelled > 0 or j.task_count = 0 and j.abandoned_at is not null then 'cancelled'
                else 'completed' end,
            finished_at = case when c.unfinished = 0 then coalesce(j.finished_at, at_once) end,
            mirror_state = case when c.unfinished = 0 and j.mirror_state in ('due', 'written') then 'end_due'
                -- A replay opens again what legacy was told had ended.
                when c.unfinished > 0 and j.mirror_state in ('end_due', 'settled') then 'due' else j.mirror_state end
        from (
            select b.place, b.active_tasks + g.active as active, b.unfinished_tasks + g.unfinished as unfinished,
                b.failed_tasks + g.failed as failed, b.cancelled_tasks + g.cancelled as cancelled
            from (
                select u.job_id, sum(u.active)::integer as active, sum(u.unfinished)::integer as unfinished,
                    sum(u.failed)::integer as failed, sum(u.cancelled)::integer as cancelled
                from unnest(job_ids, active, unfinished, failed, cancelled)
                    as u (job_id, active, unfinished, failed, cancelled)
                group by u.job_id
            ) as g
            cross join lateral (select j.ctid as place, j.* from jobs j where j.job_id = g.job_id offset 0) as b
        ) as c
        where j.ctid = c.place
        returning j.job_id, j.finished_at, j.unique_until
    )
    select array_agg(job_id) into ended from counted where finished_at is not null and unique_until in ('started', 'finished');
    if ended is not null then
        perform supaqueue_release_keys(ended);
    end if;
end $$;
