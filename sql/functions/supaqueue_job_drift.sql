-- Jobs whose counters or status do not follow from their tasks, with what each counter lacks. For sql/checks/resync_*.
create or replace function supaqueue_job_drift(
    given_ids uuid[], out job_id uuid, out tasks integer, out active integer, out unfinished integer, out failed integer,
    out cancelled integer
) returns setof record
language sql stable
set search_path from current
as $$
    select j.job_id, c.tasks, c.active - j.active_tasks, c.unfinished - j.unfinished_tasks, c.failed - j.failed_tasks,
        c.cancelled - j.cancelled_tasks
    from jobs j
    cross join lateral (
        select count(*)::integer as tasks,
            (count(*) filter (where t.status in ('claimed', 'processing')))::integer as active,
            (count(*) filter (where t.status in ('blocked', 'pending', 'claimed', 'processing')))::integer as unfinished,
            (count(*) filter (where t.status = 'failed'))::integer as failed,
            (count(*) filter (where t.status = 'cancelled'))::integer as cancelled
        from job_tasks t where t.job_id = j.job_id and t.purpose = 'run'
    ) as c
    where (given_ids is null or j.job_id = any (given_ids)) and j.status not in ('mirrored', 'deduplicated')
        and ((c.tasks, c.active, c.unfinished, c.failed, c.cancelled)
                <> (j.task_count, j.active_tasks, j.unfinished_tasks, j.failed_tasks, j.cancelled_tasks)
            or (c.unfinished = 0) <> (j.finished_at is not null)
            or j.status <> case
                when c.unfinished > 0 and (c.active > 0 or c.unfinished < c.tasks) then 'processing'
                when c.unfinished > 0 then 'pending'
                when c.failed > 0 then 'failed'
                when c.cancelled > 0 or c.tasks = 0 and j.abandoned_at is not null then 'cancelled'
                else 'completed' end)
$$;
