-- Turns ended jobs into tombstones: nothing is left of what was asked for and of how it went. The caller holds the jobs' locks.
create or replace function supaqueue_bury_jobs(job_ids uuid[]) returns void
language plpgsql
set search_path from current
as $$
declare
    at_once constant timestamptz := clock_timestamp();
    none integer[];
    buried record;
begin
    if job_ids is null then
        return;
    end if;
    delete from job_tasks t
    using unnest(job_ids) as g (job_id)
    cross join lateral (select b.ctid as place from job_tasks b where b.job_id = g.job_id offset 0) as before
    where t.ctid = before.place;
    update jobs j set content_hash = null, tags = '{}', tenant = null, task_count = 0, abandoned_at = at_once
    from unnest(job_ids) as g (job_id)
    cross join lateral (select b.ctid as place from jobs b where b.job_id = g.job_id offset 0) as before
    where j.ctid = before.place;
    select array_agg(j.job_id) as ids, array_agg(-j.failed_tasks) as failed, array_agg(-j.cancelled_tasks) as cancelled into buried
    from unnest(job_ids) as g (job_id)
    cross join lateral (select * from jobs b where b.job_id = g.job_id offset 0) as j;
    none := array_fill(0, array[cardinality(buried.ids)]);
    perform supaqueue_count_tasks(buried.ids, none, none, buried.failed, buried.cancelled, at_once);
end $$;
