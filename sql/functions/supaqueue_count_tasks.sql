-- The one place where a job's status follows from its tasks. Takes changes of counters, one element per change, adds them up
-- per job, then updates each job once. The caller holds the jobs' locks.
create or replace function supaqueue_count_tasks(
    job_ids uuid[], active integer[], unfinished integer[], failed integer[], cancelled integer[], at_once timestamptz
) returns void
language sql volatile
set search_path from current
as $$
    update jobs j
    set active_tasks = j.active_tasks + c.active,
        unfinished_tasks = j.unfinished_tasks + c.unfinished,
        failed_tasks = j.failed_tasks + c.failed,
        cancelled_tasks = j.cancelled_tasks + c.cancelled,
        status = case
            when j.unfinished_tasks + c.unfinished > 0 then
                case when j.active_tasks + c.active > 0 or j.unfinished_tasks + c.unfinished < j.task_count
                    then 'processing' else 'pending' end
            when j.failed_tasks + c.failed > 0 then 'failed'
            when j.cancelled_tasks + c.cancelled > 0 then 'cancelled'
            else 'completed' end,
        finished_at = case when j.unfinished_tasks + c.unfinished = 0 then coalesce(j.finished_at, at_once) end
    from (
        select u.job_id, sum(u.active)::integer as active, sum(u.unfinished)::integer as unfinished,
            sum(u.failed)::integer as failed, sum(u.cancelled)::integer as cancelled
        from unnest(job_ids, active, unfinished, failed, cancelled) as u (job_id, active, unfinished, failed, cancelled)
        group by u.job_id
    ) as c
    where j.job_id = c.job_id
$$;
