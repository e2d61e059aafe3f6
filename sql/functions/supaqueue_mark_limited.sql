-- Marks what is leased and under a limit, so that claims count it. The caller holds the flag's lock, so nothing is newly leased.
create or replace function supaqueue_mark_limited() returns void
language plpgsql
set search_path from current
as $$
declare
    limits constant job_running_limits[] := array(select l from job_running_limits l);
    job_ids constant uuid[] := array(
        select t.job_id from job_tasks t
        where t.status in ('claimed', 'processing') and t.purpose = 'run' and not t.limited
            and supaqueue_is_limited(limits, t.queue, t.task_type, t.tenant)
        order by t.queue, t.lease_expires_at);
begin
    perform supaqueue_lock_jobs(job_ids);
    update job_tasks t set limited = true
    from (select distinct u.job_id from unnest(job_ids) as u (job_id)) as g
    cross join lateral (
        select b.ctid as place, b.status, b.purpose, b.queue, b.task_type, b.tenant from job_tasks b where b.job_id = g.job_id offset 0
    ) as before
    where t.ctid = before.place and before.status in ('claimed', 'processing') and before.purpose = 'run'
        and supaqueue_is_limited(limits, before.queue, before.task_type, before.tenant);
end $$;
